"""Settings of the evaluation and of the report: how runs are scored, which differences matter, what is shown."""

from pydantic import Field

from posrec.study.settings.base import Name, Number, PaperDataset, Seed, Settings

PRIMARY = "NDCG@10"  # on the full catalogue


class EvaluationSettings(Settings):
    """How a trained model is scored. Part of the evaluation id, not of the run id: kept weights are reused."""

    negatives: int = Field(default=100, ge=1, description="sampled negatives per user, none from the user's items")
    candidates_seed: Seed = Field(default=0, description="seed of the frozen candidates")


class MarginSettings(Settings):
    """The smallest differences that matter, stated before the runs. Every verdict and figure uses them."""

    relative: Number = Field(default=0.02, ge=0, description="of a level: share of the mean of `none`")
    floor: Number = Field(default=0.1, ge=0, description="of a level: never below so many points")
    ratio: Number = Field(default=1.5, gt=1, description="of two spreads over seeds: their ratio")
    rate: Number = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="of two rates of runs that fail or collapse: their difference; also the largest share of runs "
        "still rising with which a cell counts as trained to the end",
    )


class ReportSettings(Settings):
    """What the report shows. A change redraws it and trains nothing."""

    title: str = Field(default="", description="title of the report; default: the study's name")
    stability: bool = Field(
        default=True, description="show spreads over seeds (needs at least 3 seeds); false: levels only"
    )
    published: dict[Name, PaperDataset] = Field(
        default_factory=dict,
        description="data set of the study -> its name in the paper, whose figures are shown beside ours",
    )
    margin: MarginSettings = Field(default_factory=MarginSettings, description="the smallest differences that matter")
