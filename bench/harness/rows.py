"""One line of the table of results."""

import dataclasses

from harness.rounds import Figure

NOISE_MAX = 0.5  # two runs of one arm that lie further apart than this prove nothing
PROVIDER_LIMIT = "the direct arm is below 3 x this: the provider's or the machine's figure"


@dataclasses.dataclass
class Row:
    """What was measured of which arm, and what it should be."""

    scenario: str
    what: str
    arm: str
    figure: Figure
    unit: str
    goal: float = None       # at most; of a row with `at_least`, at least
    at_least: bool = False
    limit: float = None      # detection limit as a share, from the A/A pair
    percent: bool = False    # the figure is itself a difference of two arms, in percent
    marks: list = dataclasses.field(default_factory=list)

    @property
    def met(self):
        """Whether the goal is met; None where there is none or the noise is too high to say."""
        if self.goal is None or self.noisy:
            return None
        return (self.figure.median >= self.goal if self.at_least
                else self.figure.median <= self.goal)

    @property
    def noisy(self):
        """Two runs of one arm lay too far apart, or further than the two arms of a difference."""
        if self.limit is None:
            return False
        return (self.limit > NOISE_MAX
                or self.percent and abs(self.figure.median) < 100 * self.limit)

    def json(self):
        return {"scenario": self.scenario, "what": self.what, "arm": self.arm, "unit": self.unit,
                **self.figure.json(), "goal": self.goal, "met": self.met,
                "detection_limit": self.limit, "marks": self.marks}
