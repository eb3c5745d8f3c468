# Raw reviews -> prepared data sets, their cards, frozen candidates and baselines.
# Ids in the paths cover everything that the content depends on: a file that exists is current, hence ancient() inputs.


rule fetch_source:
    output:
        "results/raw/{source}/source.json",
    log:
        f"logs/{STUDY.name}/fetch_source/{{source}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(24 * 60 * attempt),
    message:
        "Fetching {wildcards.source}"
    shell:
        "posrec fetch {wildcards.source} >{log} 2>&1"


rule simulate_reviews:
    output:
        marker="results/raw/simulated-{simulation}/simulation.json",
        reviews="results/raw/simulated-{simulation}/reviews.json.gz",
        meta="results/raw/simulated-{simulation}/meta.json.gz",
    log:
        f"logs/{STUDY.name}/simulate_reviews/{{simulation}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
        dataset=lambda wildcards: SIMULATIONS[wildcards.simulation],
    message:
        "Simulating the reviews of {params.dataset}"
    shell:
        "posrec simulate --study {params.study} --dataset {params.dataset} >{log} 2>&1"


rule prepare_dataset:
    input:
        ancient(lambda wildcards: raw_marker(wildcards.dataset)),
    output:
        arrays="results/studies/{study}/data/{dataset}/{dataset_id}/dataset.npz",
        manifest="results/studies/{study}/data/{dataset}/{dataset_id}/dataset.json",
        id_map="results/studies/{study}/data/{dataset}/{dataset_id}/ids.npz",
    log:
        "logs/{study}/prepare_dataset/{dataset}/{dataset_id}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(60 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Preparing {wildcards.dataset}"
    shell:
        "posrec prepare --study {params.study} --dataset {wildcards.dataset} >{log} 2>&1"


rule draw_candidates:
    input:
        ancient(rules.prepare_dataset.output),
    output:
        "results/studies/{study}/data/{dataset}/{dataset_id}/candidates={candidates_id}.npz",
    log:
        "logs/{study}/draw_candidates/{dataset}/{dataset_id}/{candidates_id}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Drawing the candidates of {wildcards.dataset}"
    shell:
        "posrec candidates --study {params.study} --dataset {wildcards.dataset} >{log} 2>&1"


rule describe_dataset:
    input:
        ancient(rules.prepare_dataset.output),
    output:
        "results/studies/{study}/data/{dataset}/{dataset_id}/card.json",
    log:
        "logs/{study}/describe_dataset/{dataset}/{dataset_id}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(30 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Describing {wildcards.dataset}"
    shell:
        "posrec describe --study {params.study} --dataset {wildcards.dataset} >{log} 2>&1"


rule score_baselines:
    input:
        data=ancient(rules.prepare_dataset.output),
        candidates=lambda wildcards: ancient(
            str(DATASETS[wildcards.dataset].candidates)
        ),
    output:
        "results/studies/{study}/data/{dataset}/{dataset_id}/baselines={evaluation_id}.json",
    log:
        "logs/{study}/score_baselines/{dataset}/{dataset_id}/{evaluation_id}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: cluster.limited(60 * attempt),
    params:
        study=STUDY_FILE,
    message:
        "Scoring the baselines of {wildcards.dataset}"
    shell:
        "posrec baselines --study {params.study} --dataset {wildcards.dataset} >{log} 2>&1"
