"""Thresholds: every number that a verdict of `whyscan trust` hangs on, each with its reason. There are no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number.

    Attributes:
        value: the number.
        decides: what lies on which side of it.
        reason: why it is this and not another.
    """

    value: float
    decides: str
    reason: str


LEVEL = Threshold(
    0.05,
    "A difference is called one where its p-value is below this and its 95 % interval leaves out 0.",
    "Convention. Every p-value has its interval beside it, so that a reader may draw the line elsewhere.",
)
FEWEST = Threshold(
    6,
    "With fewer groups (patients or duplicate groups), on either side of a comparison, the answer is 'too few to "
    "tell', and no check of a method is passed or failed.",
    "With 5 pairs the exact sign-flip test cannot fall below 2 / 2^5 = 0.06, whatever the data say. With 6, Student's "
    "interval ends 1.05 standard deviations from the mean: a method that is clear of its limit shows it. Made-up "
    "sextets whose true mean lies at the limit are called failing 3 times in 100, 11 times where they are very skewed. "
    "It is as many as `whyscan trust` asks about sanity by default.",
)
DETECTABLE = Threshold(
    0.5,
    "'No difference' is said only where the whole 95 % interval, in standard deviations of groups, is smaller than "
    "this either way; and a method 'fails' for want of faithfulness only where the high end of its lead is smaller.",
    "Cohen's medium effect. That no difference was found is no proof: a true medium one is then said to be none in "
    "fewer than 5 of 100 studies, after any correction. It takes some 40 pairs.",
)
ERRORS = Threshold(
    10,
    "With fewer wrong (or right) predictions, by group, nothing is said about predicting errors.",
    "The same limit as for an AUROC in `whyscan compare`: two more scans would change it.",
)
ADDED = Threshold(
    0.05,
    "Maps 'add nothing' to the confidence in finding errors only where the high end of what they add to its AUROC is "
    "below this; with a low end above 0 they add something, else it is 'too few to tell'.",
    "Of a hundred pairs of a wrong and a right prediction they would put five more in the right order: too few to "
    "change whose scans are read again.",
)
STABLE = Threshold(
    0.8,
    "Rank correlation between seeds below this: the explanation is 'unstable'.",
    "Below it a third of the order changes with the seed (0.8 squared is 0.64), so a region's rank is not a finding.",
)
FLIPPED = Threshold(
    0.5,
    "Rank correlation between a map and that of the mirrored or slightly turned scan, mapped back, below this: "
    "'unstable'.",
    "Lower than for seeds: the model itself answers a little differently on a mirrored scan. Below one half less than "
    "a quarter of the order is the scan's own.",
)
SANE = Threshold(
    0.5,
    "Rank correlation, of either sign, with the map of a model with random weights above this: 'fails sanity'.",
    "A map that shares half of its order with a model that has learned nothing shows the scan, not the model (Adebayo "
    "et al., 2018). One that comes out turned round there is as little about the weights.",
)
TAUGHT = Threshold(
    0.8,
    "Rank correlation, of either sign, with the map of the same model taught shuffled labels above this: 'fails "
    "sanity'.",
    "As alike as two seeds have to be: to call that the same picture there means to call it so here. Higher than for "
    "random weights, since only the head was taught again and the trunk is shared.",
)
OFF_TISSUE = Threshold(
    0.5,
    "Share of a map's weight on the background (outside the head) above this: 'off-tissue'.",
    "There is no patient there. More than half of the argument is not about the patient.",
)
USABLE = Threshold(
    0.9,
    "Share of a method's explanations that must be neither blank, constant nor off-tissue, and that must have settled, "
    "for 'recommended': the whole interval of the share. Of those asked about sanity and stability, share that must "
    "not be beyond a limit.",
    "One unusable map in ten is already one on most reading lists. 35 good ones out of 35 show it, fewer cannot; of "
    "sanity and stability, asked of fewer, the mean decides, and too many single maps only ask for care.",
)
BROKEN = Threshold(
    0.5,
    "Share of explanations that are blank, constant or off-tissue surely above this: the method 'fails' on the model.",
    "More often wrong to read than right. Too few evaluations are a fault of the run, not of the method.",
)
CUE = Threshold(
    0.05,
    "A model 'uses' a cue where taking it away changes surely more than this share of its predictions.",
    "Any edit flips a few scans that lie on the border between two classes.",
)
TAIL = Threshold(
    0.2,
    "A model 'rests on' a cue where taking it away changes surely more than this share.",
    "The same limit as `whyscan demo` has for its planted shortcut.",
)
CLEAR = Threshold(
    0.1,
    "A superpixel's weight has a clear sign where its 95 % interval leaves out 0; without intervals, where it is at "
    "least this share of the map's largest.",
    "The sign of a weight near 0 is noise, and noise turns half of the time.",
)
TURNED = Threshold(
    0.1,
    "Superpixels 'turn' where surely more than this share of the clearly signed area changes from positive to "
    "negative; or, where it is known how much changes between seeds, surely more than that.",
    "One region in ten changes sides: visible on any picture.",
)
AGREE = Threshold(
    0.5,
    "Mean rank correlation between methods above this: they 'agree'.",
    "As for sanity: half of the order in common. Two methods that share less show two different pictures.",
)
SLOW = Threshold(
    10.0,
    "Median seconds per explanation above this: not 'efficient' (guideline 5).",
    "About as long as a reader waits before going on (Nielsen, 1993). It is a property of this machine.",
)

THRESHOLDS: dict[str, Threshold] = {
    "level": LEVEL,
    "fewest groups": FEWEST,
    "detectable effect": DETECTABLE,
    "fewest errors": ERRORS,
    "added to confidence": ADDED,
    "stable between seeds": STABLE,
    "stable under flips": FLIPPED,
    "sane": SANE,
    "sane with shuffled labels": TAUGHT,
    "off tissue": OFF_TISSUE,
    "usable": USABLE,
    "broken": BROKEN,
    "uses a cue": CUE,
    "rests on a cue": TAIL,
    "clear sign": CLEAR,
    "turned": TURNED,
    "agree": AGREE,
    "slow": SLOW,
}
