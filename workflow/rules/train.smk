# Prepared data sets -> runs. A job trains a batch of cells, since starting torch takes longer than a tiny run.
# update(): Snakemake deletes other outputs before a job starts, so adding a seed would train all of them again.

# A cluster's job knows its time limit and saves before it: a run longer than the limit continues at the retry.
BEFORE_TRAINING = (
    ""
    if workflow.is_main_process
    else f"export {cluster.LIMIT}={{resources.runtime}}; "
)
# Only the process that submits jobs to a cluster retries them.
SENDS_JOBS = workflow.is_main_process and workflow.resource_settings.nodes is not None


for batch in BATCHES:

    rule:
        name:
            f"train_{batch.name}"
        input:
            ancient(str(DATASETS[batch.dataset].arrays)),
            ancient(str(DATASETS[batch.dataset].manifest)),
            ancient(str(DATASETS[batch.dataset].candidates)),
        output:
            update([str(path) for path in run_files(STUDY, batch.cells)]),
        log:
            f"logs/{STUDY.name}/train/{batch.name}.log",
        retries: cluster.job_retries(batch, MACHINES) if SENDS_JOBS else None
        conda:
            "../../envs/environment.yaml"
        threads: 1
        resources:
            **cluster.job_gpus(batch),
            mem_mb=lambda wildcards, attempt, batch=batch: cluster.job_memory(
                batch, attempt, MACHINES
            ),
            runtime=lambda wildcards, attempt, batch=batch: cluster.job_minutes(
                batch, attempt, MACHINES
            ),
        params:
            study=STUDY_FILE,
            batch=batch.name,
        message:
            "Training {params.batch}"
        shell:
            f"{BEFORE_TRAINING}posrec train --study {{params.study}} --batch {{params.batch}} >{{log}} 2>&1"

    # Snakemake keeps a global for each rule, and copies all globals when it formats a job's message or command, which
    # takes minutes for fifteen thousand jobs. Nothing else reads these.
    name = workflow.modifier.modify_rulename(f"train_{batch.name}")
    workflow.globals.pop(f"__{name}", None)
