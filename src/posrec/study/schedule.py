"""How many steps a training's learning rate takes to rise."""

from posrec.errors import StudyError
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.training import TrainingSettings

LONGEST_WARM_UP = 100  # steps, where the study names none


def warm_up_steps(settings: TrainingSettings, switches: TrainingSwitches, steps_per_epoch: int) -> int:
    """Steps of warm-up: those of the settings, or without any LONGEST_WARM_UP, at most a twentieth of the training.

    Raises StudyError where the settings ask for more than a tenth of the training: such a model hardly learns. As
    released, any number is taken.
    """
    total, asked = settings.epochs * steps_per_epoch, settings.warmup_steps
    if asked is None:
        return min(LONGEST_WARM_UP, total // 20)
    if asked * 10 > total and switches.warm_up == "sound":
        raise StudyError(
            f"training.warmup_steps: {asked} is more than a tenth of the {total:,} steps of the training "
            f"({settings.epochs} epochs of {steps_per_epoch:,}); leave it out, set at most {total // 10}, or train "
            "longer"
        )
    return asked
