# Prepared data sets -> runs. A job trains a batch of cells, since starting torch costs more than a tiny run.
# update(): Snakemake deletes plain outputs before a job starts, and adding a seed would train all of them again.


for batch in BATCHES:

    rule:
        name:
            f"train_{batch.name}"
        input:
            ancient(str(DATASETS[batch.dataset].arrays)),
            ancient(str(DATASETS[batch.dataset].manifest)),
            ancient(str(DATASETS[batch.dataset].candidates)),
        output:
            update(
                [
                    str(path)
                    for cell in batch.cells
                    for path in plan.run_files(STUDY, cell)
                ]
            ),
        log:
            f"logs/{STUDY.name}/train/{batch.name}.log",
        conda:
            "../../envs/environment.yaml"
        threads: 1
        resources:
            **train_gpu(batch),
            mem_mb=train_memory(batch),
            runtime=train_runtime(batch),
        params:
            study=STUDY_FILE,
            batch=batch.name,
        message:
            "Training {params.batch}"
        shell:
            "posrec train --study {params.study} --batch {params.batch} >{log} 2>&1"
