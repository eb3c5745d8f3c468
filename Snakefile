# The workflow lives in workflow/; this file lets plain `snakemake` find it.
include: "workflow/Snakefile"


# An include drops the default target, so the root names it again.
rule default:
    default_target: True
    input:
        rules.all.input,
    message:
        f"The study {STUDY.name} is complete"
