"""One run: its file in place, else from the store's blocks, else evaluated with kept weights, else trained.

The blocks go to the store and the run file to the study, each atomically. What only the machine determines (seconds,
memory, versions) goes to a sidecar under results/provenance/.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from posrec.data.prepare.prepared import Candidates, Prepared, inputs_of
from posrec.errors import PosrecError
from posrec.model import streams
from posrec.model.carca import Carca
from posrec.model.encodings.own import planned_version
from posrec.model.evaluate.diagnostics import diagnose
from posrec.model.runs import sidecars
from posrec.model.runs.attempts import Attempt, clocks
from posrec.model.runs.checkpoints import Checkpoint
from posrec.model.runs.failures import EVALUATION_STEP, Progress, TrainingFailed, model_code
from posrec.model.runs.progress import LiveProgress
from posrec.model.runs.scoring import Scores
from posrec.model.runs.weights import curve_arrays, kept_weights, read_weights, save_weights
from posrec.model.threads import one_thread
from posrec.model.train import Curve, Trained, Training, Weights, batch_size, build_model, train_run
from posrec.plan.run import PlannedRun
from posrec.store import places, results
from posrec.store.results import Result
from posrec.study.encodings import find


@lru_cache(maxsize=2)
def _load(arrays: Path, manifest: Path, candidates: Path) -> tuple[Prepared, Candidates]:
    """A prepared data set and its candidates."""
    data, frozen = Prepared.load(arrays, manifest), Candidates.load(candidates)
    if len(frozen.test) == 0:
        raise PosrecError(
            f"{arrays}: no user has a test interaction (3 or more are needed); lower k_core or use other data"
        )
    return data, frozen


class Run:
    """One planned run, brought into place."""

    def __init__(self, planned: PlannedRun) -> None:
        self.planned = planned
        self.cell, self.seed, self.run_id = planned.cell, planned.seed, planned.run_id
        self.path, self.stored, self.blocks = planned.path, planned.stored, planned.blocks
        self.version: str | None = find(planned.cell.encoding).identity.get("file")  # of an own encoding
        self.seconds: dict[str, float] = {}  # of the wall clock
        self.cpu_seconds: dict[str, float] = {}
        self.diagnostics: dict[str, Any] = {}
        self.failed = False

    def status(self) -> str | None:
        """What the run file in place says: finished or failed; None if it is missing, damaged or of another run."""
        return self._status_at(self.path)

    def _status_at(self, path: Path) -> str | None:
        return results.status_of(path, self.planned.must_say)

    def bring(self, again_failed: bool = False) -> bool:
        """Bring the run file into place. Returns whether anything was trained or evaluated for it.

        again_failed: failures do not count as results, here and in the store.
        """
        missing = self.missing(again_failed)
        if missing is None:
            return False
        if missing:
            self._compute(missing)
        self.complete(bool(missing))
        return bool(missing)

    def missing(self, again_failed: bool) -> list[str] | None:
        """The protocols whose blocks the store lacks; None where the run file is in place."""
        wanted = ("finished",) if again_failed else ("finished", "failed")
        status = self.status()
        if status not in wanted and self._status_at(places.pruned_place(self.path)) in wanted:
            places.take_back(self.path)  # pulled results are in no store: prune alone has them
            status = self.status()
        if status in wanted:
            self.failed = status == "failed"
            self.planned.progress.unlink(missing_ok=True)  # of a kill between the run file and its end
            return None
        must_say = self.planned.block_must_say
        return [name for name, path in self.blocks.items() if results.status_of(path, must_say(name)) not in wanted]

    def complete(self, computed: bool) -> None:
        """The run file from the store's blocks, and a record of how they were computed."""
        self._assemble()
        if computed:
            sidecars.write_run(self.planned, self.seconds, self.cpu_seconds)

    def beside(self, folder: Path) -> "Run":
        """The same run with its file and its store in another folder."""
        return Run(self.planned.beside(folder))

    def make(self) -> None:
        """Train and evaluate even if results exist, and write the run file; no sidecar is written."""
        self._compute(list(self.blocks))
        self._assemble()

    def _assemble(self) -> None:
        """The run file of the study from the store's blocks."""
        must_say = self.planned.block_must_say
        blocks = {name: results.read_result(path, **must_say(name)) for name, path in self.blocks.items()}
        first, curve = next(iter(blocks.values()))
        content = {**first, **_outcome([block for block, _ in blocks.values()])}
        content["evaluations"] = {n: b["evaluation"] for n, (b, _) in blocks.items() if b["evaluation"] is not None}
        arrays = {name: value for name, value in curve.items() if name.startswith("curve_")}
        for name, (_, block) in blocks.items():
            arrays |= {f"{name}.{key}": value for key, value in block.items() if not key.startswith("curve_")}
        content |= self.planned.must_say  # a block may come from a study with other names
        del content["evaluation"], content["block_id"]
        self.failed = content["status"] == "failed"
        results.write_result(self.path, content, arrays)
        self.planned.checkpoint.unlink(missing_ok=True)
        self.planned.progress.unlink(missing_ok=True)

    @one_thread()
    def _compute(self, missing: Sequence[str]) -> None:
        """Write the missing blocks: from kept weights where they are there, else by training."""
        data, _ = self.load()
        scores = self.scores(missing)
        failure, curve = None, Curve()
        try:
            with planned_version(self.version):
                curve = self._from_weights(list(scores.values())) or self._train(data, scores)
        except TrainingFailed as error:
            failure = error
        self.write_blocks(curve, scores, failure)

    def load(self) -> tuple[Prepared, Candidates]:
        """The prepared data and the candidates."""
        files = self.planned.data
        return _load(files.arrays, files.manifest, files.candidates)

    def scores(self, missing: Sequence[str]) -> dict[str, Scores]:
        """What the missing protocols will make of the training, by their names."""
        data, candidates = self.load()
        named = {protocol.name: protocol.evaluation for protocol in self.cell.protocols}
        batch = batch_size(self.cell)
        return {name: Scores(named[name], data, candidates, self.seed, batch) for name in missing}

    def write_blocks(self, curve: Curve, scores: Mapping[str, Scores], failure: TrainingFailed | None) -> None:
        """Write each protocol's block: its results, or why there are none."""
        reason = None if failure is None else {"step": failure.step, "reason": failure.reason}
        for name, one in scores.items():
            failed = reason or one.failure
            self._write_block(name, curve, None if failed else one.result(), failed)

    def _from_weights(self, scores: Sequence[Scores]) -> Curve | None:
        """Read the test with the weights that were kept; None where those needed aren't there."""
        kept = self._kept(any(one.every_epoch for one in scores))
        if kept is None:
            return None
        curve, paths = kept
        for epoch, path in paths.items():
            wanted = [one for one in scores if one.every_epoch or epoch == curve.best()[0]]
            model = self._read(wanted, scores[0].data, read_weights(path), epoch)
            if epoch == curve.best()[0]:
                self._diagnose(model, scores[0].data, curve)
        return curve

    def _train(self, data: Prepared, named: Mapping[str, Scores]) -> Curve:
        """Train, or go on from a checkpoint, and read the test under each of the named protocols."""
        trained = self._trained(data, named)
        self.read_selected(trained, data, list(named.values()))
        return trained.curve

    def _trained(self, data: Prepared, named: Mapping[str, Scores]) -> Trained:
        began = clocks()
        attempt = self.attempt(named)
        with attempt.checkpoint, attempt.live:

            def after_step(training: Training) -> None:
                attempt.live.after_step(training)
                attempt.checkpoint.after_step(lambda: attempt.state(training))

            saved = attempt.load()
            on_epoch = attempt.live.after_epoch
            trained = train_run(self.cell, data, self.seed, on_epoch, attempt.at_reading, after_step, saved)
        self.spent("training", began)
        return trained

    @one_thread()
    def selected_weights(self) -> tuple[Curve, Weights]:
        """The curve and the weights of the selected epoch: those that were kept, else trained again, and then kept.

        Raises TrainingFailed where the training fails.
        """
        kept = self._kept()
        if kept is None:
            data, _ = self.load()
            with planned_version(self.version):
                trained = self._trained(data, {})
            save_weights(self.planned, trained.curve, trained.weights)
            for path in (self.planned.checkpoint, self.planned.progress):
                path.unlink(missing_ok=True)
            return trained.curve, trained.weights[trained.curve.best()[0]]
        curve, paths = kept
        return curve, read_weights(paths[curve.best()[0]])

    def has_weights(self) -> bool:
        """Whether the selected epoch's weights were kept."""
        return self._kept() is not None

    def _kept(self, every_epoch: bool = False) -> tuple[Curve, dict[int, Path]] | None:
        identity = {**self.planned.training_must_say, "inputs": inputs_of(self.planned.data.manifest)}
        return kept_weights(self.stored, every_epoch, **identity)

    def attempt(self, scores: Mapping[str, Scores], stacked: bool = False) -> Attempt:
        """A training of this run, whose checkpoint holds these scores; stacked: beside other seeds.

        The checkpoints of the two ways are not compatible.
        """
        identity = {**self.planned.training_must_say, "blocks": [self.blocks[name].name for name in scores]}
        checkpoint = Checkpoint(self.planned.checkpoint, {**identity, "stacked": True} if stacked else identity)
        live = LiveProgress(self.cell, self.seed, self.planned.label, self.planned.progress)
        return Attempt(scores, checkpoint, live)

    def read_selected(self, trained: Trained, data: Prepared, scores: Sequence[Scores]) -> None:
        """Read the test with the selected epoch's weights, and keep them where the study says so."""
        if self.cell.training.keep_weights:
            save_weights(self.planned, trained.curve, trained.weights)
        epoch = trained.curve.best()[0]
        once = [one for one in scores if not one.every_epoch]
        self._diagnose(self._read(once, data, trained.weights[epoch], epoch), data, trained.curve)

    def _diagnose(self, model: Carca, data: Prepared, curve: Curve) -> None:
        """Measure the model of the selected epoch, on the CPU wherever it was trained."""
        began = clocks()
        self.diagnostics = diagnose(model.cpu(), data, curve)
        self.spent("diagnostics", began)

    def _read(self, scores: Sequence[Scores], data: Prepared, weights: Weights, epoch: int) -> Carca:
        """Read the test with these weights under each of the protocols. Returns the model that has them."""
        began = clocks()
        with model_code(Progress(EVALUATION_STEP)):
            model = build_model(self.cell, data, self.seed)
        model.load_state_dict(weights)
        for one in scores:
            one.read(model, epoch)
        self.spent("evaluation", began)
        return model

    def spent(self, part: str, began: tuple[float, float], runs: int = 1) -> None:
        """Add what both clocks have counted since `began`, shared by so many runs."""
        for total, then, now in zip((self.seconds, self.cpu_seconds), began, clocks(), strict=True):
            total[part] = total.get(part, 0.0) + (now - then) / runs

    def _write_block(self, name: str, curve: Curve, block: Result | None, failure: dict[str, Any] | None) -> None:
        cell = self.cell
        evaluation, ranks = block if block else (None, {})
        content = {
            **self.planned.block_must_say(name),
            **self.planned.described,
            "inputs": inputs_of(self.planned.data.manifest, self.planned.data.candidates),
            "settings": {
                "model": cell.model.identity(),
                "training": cell.training.model_dump(exclude={"keep_weights"}),
            },
            "protocol": cell.switches.model_dump(),
            "streams": streams.cell_seeds(cell, self.seed),
            "epochs_trained": len(curve.epoch),
            "still_rising": curve.still_rising(cell.training.epochs),
            "evaluation": evaluation,
            "diagnostics": self.diagnostics,
            "collapsed": evaluation is not None and evaluation["collapsed"],
            "status": "finished" if evaluation is not None else "failed",
            "failure": failure,
        }
        results.write_result(self.blocks[name], content, {**ranks, **curve_arrays(curve)})


def _outcome(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Status and failure of a run: those of the first protocol under which it failed, else of the first."""
    chosen = next((block for block in blocks if block["status"] == "failed"), blocks[0])
    return {key: chosen[key] for key in ("status", "failure")}
