# Tables and figures -> one offline page; and a page of where the results come from, which is not a DVC output.


rule write_report:
    input:
        tables=TABLES,
        figures=FIGURES,
    output:
        page=report(REPORT[0], caption="../report/page.rst", category="Report"),
        marker=REPORT[1:],
    log:
        f"logs/{STUDY.name}/write_report.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Writing the report"
    shell:
        "posrec report --study {params.study} >{log} 2>&1"


rule write_provenance:
    input:
        TABLES,
    output:
        PROVENANCE,
    log:
        f"logs/{STUDY.name}/write_provenance.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Writing the page of provenance"
    shell:
        "posrec provenance {params.study} >{log} 2>&1"
