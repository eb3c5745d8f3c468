# Runs -> tables and figures. The last output of each rule has the analysis id in its name, so a changed plot or report
# setting redraws. Inputs are not ancient(): a run retrained after a failure also redraws, which takes seconds. Only the
# tables depend on the runs, and later rules on the tables: with all runs as inputs of each, planning a study of ten
# thousand runs takes 1.4 times as long.


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
