"""Captions: what each kind of picture shows, and what one may and may not conclude from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """The words under a row of pictures.

    Attributes:
        shows: what is drawn and on which scale.
        may: what one may conclude from it.
        may_not: what one may not.
    """

    shows: str
    may: str = ""
    may_not: str = ""


GRADCAM = Caption(
    "Grad-CAM of the last convolutional layer, from the gradient of each class's logit; all panels share one scale.",
    "roughly where this layer's features raised this class's score.",
    "the borders of a lesion (the map is as coarse as the layer's grid), or that the answer is right.",
)
LAYERS = Caption(
    "Grad-CAM of every convolution. Each tile has its own scale, whose end stands below it: compare places only.",
    "at which depth the evidence gathers in one place.",
    "that a faint early layer contributes nothing: its gradients are spread over many small values.",
)
PAIR = Caption(
    "One scan, one explained class, several models; each model has its own scale, since their logits share no unit.",
    "whether the weaker model looks elsewhere on this scan.",
    "that this is why it is weaker: one scan is an anecdote.",
)
PAIR_LIME = Caption("The same superpixels and one scale for both models.")
PAIR_LIME_APART = Caption(
    "One scale for both models. Each model has superpixels of its own, as their input sizes differ.",
    "whether the weaker model rests on another part of the scan.",
    "anything from borders or sizes of the regions: they were not cut alike.",
)
PAIR_LAYERS = Caption("The same layers of both models. Each tile has its own scale: compare places, not strengths.")
TURNED_MODELS = Caption(
    "Between models: one class, the same superpixels and one scale for both.",
    "that the two models read these regions of this scan in opposite ways.",
    "which of them is right, or that this is why one is weaker.",
)
TURNED_APART = Caption(
    "Superpixels of the two models differ, as their input sizes do: the second's weights were carried over to those of "
    "the first by their mean, which leaves them without intervals; there, sure is a weight of at least a tenth of the "
    "largest. Conclude nothing from a single superpixel."
)
TURNED_CLASSES = Caption(
    "Between classes: one model, its two likeliest classes, one scale for both.",
    "which regions decide between the two classes.",
    "that much turning is a flaw: what speaks for one of two competing classes mostly has to speak against the other.",
)
LIME = Caption(
    "What hiding each superpixel does to each class's score, fitted linearly; one scale for all classes.",
    "which regions matter to this model on this scan.",
    "that they matter on other scans, or that regions without tint would not matter if hidden together.",
)
SIGNS = Caption(
    "The superpixels of largest magnitude, bordered and tinted by their sign alone.",
    "which regions speak for a class and which against it.",
    "by how much: for sizes read the heat maps.",
)
SHAP = Caption(
    "On the same superpixels: each region's fair share of what showing the scan changes; one scale for all.",
    "how the score is divided among the regions.",
    "anything about the patient: it describes the model.",
)
CUE = Caption(
    "Scans that carry the planted cue; one scale for all.",
    "that a method can show a model looking at a mark instead of the anatomy.",
    "that a model whose maps lie elsewhere uses no cue.",
)
EVIDENCE = (
    "The share of positive attribution inside the known lesion, beside the lesion's share of the image, which a map "
    "spread evenly would reach. Far above it is reassuring; near or below it, the model decided by something else."
)
CURVES = (
    "Loss and accuracy per epoch; all loss axes have the same top. A thin line marks a new phase of training. A "
    "validation loss that rises while the training loss falls is overfitting. Training figures are taken on augmented "
    "images where there is augmentation, so they may be worse than validation."
)
CONFUSION = "Rows are true classes, columns predicted ones; shaded by the share of the row. Right answers are outlined."
RELIABILITY = (
    "How often the model was right (up) against how sure it was (across); a dot's area is its number of scans. "
    "Below the dashed line it is surer than it should be."
)
LIMITS = (
    "An explanation describes the model, not the disease. A convincing picture does not make a prediction right, and a "
    "strange picture does not make it wrong.",
    "Everything here is measured on the data set named above. Another scanner, protocol or population may give other "
    "figures.",
    "Intervals say how much the figures vary with the sample of scans. They do not cover a biased data set, wrong "
    "labels, or leaks that the audit could not see.",
    "LIME and SHAP judge scans with parts hidden, which no model was trained on; they are estimates from a limited "
    "number of evaluations.",
    "The gallery shows examples that were drawn by seed. Rates and averages are in the comparison.",
)
GLOSSARY = (
    ("Accuracy", "Share of scans whose most probable class is the true one."),
    ("AUROC", "Chance that a scan of the class gets a higher score than one of another class; 0.5 is guessing."),
    ("Calibration error (ECE)", "How far confidence and share right lie apart on average; 0 is perfect."),
    ("Clean, leaked", "A test scan is leaked if the same picture, or nearly the same, is in the training part."),
    ("Duplicate group", "Scans that are copies or near copies of each other, or of one patient; no split parts them."),
    ("Grad-CAM", "A layer's activations weighted by how the class's logit changes with them (Selvaraju et al., 2017)."),
    ("Holdout", "Scans kept out of training and of every choice: the fairest figure for all classes here."),
    ("Interval", "95 %, from bootstrap samples drawn by duplicate group or patient."),
    ("LIME", "A linear model fitted to the answers on scans with superpixels hidden (Ribeiro et al., 2016)."),
    ("Logit", "The class's score before it becomes a probability."),
    ("Macro-F1", "Mean over the classes of the harmonic mean of precision and recall; rare classes count as much."),
    ("McNemar's test", "Do two models err on different scans more often than chance would have it?"),
    ("p (Holm)", "The p-value after correction for the number of pairs tested."),
    ("Recall", "Share of a class's scans that the model recognised as that class."),
    ("SHAP", "Each superpixel's average contribution over all orders of showing them (Lundberg and Lee, 2017)."),
    ("Shortcut cue", "Something that predicts the label without showing disease: image size, border, brightness."),
    ("Superpixel", "A connected region of similar pixels: the unit that is hidden or shown."),
)
