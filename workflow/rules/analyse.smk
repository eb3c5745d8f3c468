# Runs -> tables and figures. The last output of each rule carries the analysis id, so a changed plot or report setting
# renders anew. Inputs are plain: a run that was trained again after a failure renders anew too; that costs seconds. The
# tables alone name the runs, and all that follows names the tables: with every run in each, a study of ten thousand takes
# 1.4 times as long to plan.


rule write_tables:
    input:
        data=DATA,
        runs=RUNS,
    output:
        TABLES,
    log:
        f"logs/{STUDY.name}/write_tables.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Writing the tables"
    shell:
        "posrec analyse --study {params.study} >{log} 2>&1"


rule draw_figures:
    input:
        TABLES,
    output:
        [with_caption(path) for path in FIGURES],
    log:
        f"logs/{STUDY.name}/draw_figures.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Drawing the figures"
    shell:
        "posrec figures --study {params.study} >{log} 2>&1"
