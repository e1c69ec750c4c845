"""The checklists: item numbers and sections as published, the items in our own short words.

Each item names the files of a run that show it (patterns relative to the run's folder) and what no file can show.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Attributes:
        number: as published.
        section: under which it stands.
        asks: what is asked, in our words.
        files: patterns of files of the run that show it.
        attest: what a person must say all the same; "" where the files are enough.
    """

    number: str
    section: str
    asks: str
    files: tuple[str, ...] = ()
    attest: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published checklist."""

    title: str
    citation: str
    items: tuple[Item, ...]


AUDIT, SPLITS, COMPARE = "audit/audit.json", "splits.csv", "compare/compare.json"
MODEL, CURVES, PREDICTIONS = "models/*/model.json", "models/*/curves.csv", "models/*/predictions.csv"
RUN, RESULTS, REPORT = "run.json", "results.csv", "report.html"
TRUST, TABLE, GALLERY, SHORTCUT = (
    "trust/summary.json",
    "trust/table.csv",
    "explain/index.json",
    "shortcut/shortcut.json",
)

_CLAIM = (
    Item("1", "Title and abstract", "Say that it is a study of AI and of which kind.", (), "the title"),
    Item("2", "Title and abstract", "A structured abstract.", (), "the abstract"),
    Item("3", "Introduction", "Scientific and clinical background, intended use and role.", (), "the background"),
    Item("4", "Introduction", "Aims, objectives and hypotheses.", (), "the objectives"),
    Item("5", "Study design", "Prospective or retrospective.", (), "which"),
    Item("6", "Study design", "The goal of the study.", (), "the goal"),
    Item("7", "Data", "Where the data come from.", (AUDIT,), "the source's name, site and dates"),
    Item(
        "8",
        "Data",
        "Who and what was included and excluded, where and when.",
        (AUDIT, SPLITS),
        "the criteria by which scans came into the data set",
    ),
    Item("9", "Data", "How data were prepared.", (MODEL,), "what was done before the files were given to whyscan"),
    Item("10", "Data", "How parts of the data were selected.", (SPLITS,), "selection before this run"),
    Item("11", "Data", "How data were de-identified.", (), "the procedure and who checked it"),
    Item("12", "Data", "How missing data were handled.", (AUDIT,), "missing data beyond unreadable files"),
    Item("13", "Data", "How images were acquired.", (), "scanners, sequences and protocols"),
    Item("14", "Reference standard", "How the reference standard is defined.", (), "the definition"),
    Item("15", "Reference standard", "Why it was chosen.", (), "the reason"),
    Item("16", "Reference standard", "Who made the annotations, and how qualified.", (), "the annotators"),
    Item("17", "Reference standard", "How the test set was annotated.", (), "the procedure and tools"),
    Item(
        "18",
        "Reference standard",
        "How far annotators differ.",
        (AUDIT,),
        "measured variability; the audit shows only copies of one image with different labels",
    ),
    Item("19", "Data partitions", "How data were divided, with the proportions.", (SPLITS, AUDIT)),
    Item(
        "20",
        "Data partitions",
        "At what level parts are disjoint (patient, image).",
        (SPLITS, AUDIT),
        "that patients are disjoint, where the data do not name them",
    ),
    Item("21", "Testing data", "The intended sample size and why.", (), "the calculation"),
    Item("22", "Model", "The model in full: inputs, outputs, layers.", (MODEL,)),
    Item("23", "Model", "Software and versions.", (RUN, MODEL)),
    Item("24", "Model", "How weights were initialised.", (MODEL,)),
    Item("25", "Training", "How it was trained: augmentation, settings, number of models.", (MODEL, CURVES)),
    Item("26", "Training", "How the final model was chosen.", (COMPARE,)),
    Item("27", "Training", "How models were combined, if they were.", (), "whether there is an ensemble"),
    Item("28", "Evaluation", "Which measures of performance.", (COMPARE, RESULTS)),
    Item("29", "Evaluation", "Significance and uncertainty.", (COMPARE, RESULTS, TRUST)),
    Item(
        "30",
        "Evaluation",
        "Robustness or sensitivity analysis.",
        (TRUST, SHORTCUT),
        "robustness against other scanners and sites",
    ),
    Item(
        "31",
        "Evaluation",
        "How the model is explained, and how that was validated.",
        (GALLERY, TRUST),
        "what clinical readers make of the explanations",
    ),
    Item("32", "Evaluation", "Evaluation on internal data.", (COMPARE, PREDICTIONS)),
    Item("33", "Evaluation", "Testing on external data.", (), "an external test set, or that there is none"),
    Item("34", "Evaluation", "Registration, for clinical trials.", (), "the number, or that it is no trial"),
    Item(
        "35",
        "Results: data",
        "How many patients or scans were included and excluded, as a diagram.",
        (AUDIT, SPLITS),
        "the diagram, and numbers of patients where the data do not name them",
    ),
    Item(
        "36",
        "Results: data",
        "Demographic and clinical characteristics of each part.",
        (SPLITS,),
        "age, sex and clinical characteristics",
    ),
    Item("37", "Results: performance", "Performance of the best models on every part.", (COMPARE, RESULTS)),
    Item("38", "Results: performance", "Estimates with their precision (95 % intervals).", (COMPARE, RESULTS)),
    Item(
        "39",
        "Results: performance",
        "Analysis of failures.",
        (PREDICTIONS, TRUST),
        "what was seen when the wrong cases were read",
    ),
    Item("40", "Discussion", "Limitations: bias, uncertainty, generalisation.", (REPORT,), "the study's own"),
    Item("41", "Discussion", "Implications for practice, intended use.", (), "the implications"),
    Item("42", "Other", "The full protocol, and where it is.", (RUN,), "a protocol written before the study"),
    Item("43", "Other", "Whether software, models and data can be had.", (RUN, MODEL), "where they are published"),
    Item("44", "Other", "Funding, and the funders' role.", (), "the funding"),
)

_TRIPOD = (
    Item("1", "Title", "A prediction model study, its population and outcome.", (), "the title"),
    Item("2", "Abstract", "A structured abstract.", (), "the abstract"),
    Item("3", "Introduction", "Context, reason, intended users, known inequalities.", (), "the background"),
    Item("4", "Introduction", "Objectives; development, evaluation or both.", (), "the objectives"),
    Item("5", "Data", "Sources of data, how representative, and dates.", (AUDIT,), "representativeness and dates"),
    Item("6", "Participants", "Setting, eligibility, treatments.", (), "setting and criteria"),
    Item(
        "7",
        "Data preparation",
        "How data were prepared and checked, alike across groups.",
        (AUDIT, MODEL),
        "preparation before this run",
    ),
    Item("8", "Outcome", "What is predicted, who assessed it, blinded to what.", (), "definition and assessors"),
    Item("9", "Predictors", "What goes into the model, and why.", (MODEL,), "why these images"),
    Item("10", "Sample size", "How it was arrived at, for development and evaluation.", (), "the calculation"),
    Item("11", "Missing data", "How they were handled.", (AUDIT,), "missing data beyond unreadable files"),
    Item(
        "12",
        "Analytical methods",
        "Use of data, model, tuning, internal validation, heterogeneity, measures.",
        (SPLITS, MODEL, COMPARE),
        "heterogeneity between sites",
    ),
    Item("13", "Class imbalance", "Whether and how it was handled, and recalibration after.", (AUDIT, MODEL)),
    Item("14", "Fairness", "What was done about the model's fairness.", (), "approaches and reasons"),
    Item("15", "Model output", "What comes out (probabilities, classes), and thresholds.", (MODEL, PREDICTIONS)),
    Item("16", "Training versus evaluation", "How the data sets differ.", (SPLITS, AUDIT), "differences of setting"),
    Item("17", "Ethical approval", "Which body approved, and consent.", (), "the approval"),
    Item(
        "18",
        "Open science",
        "Funding, interests, protocol, registration, data, code.",
        (RUN,),
        "funding, interests, registration, and where data and code are",
    ),
    Item("19", "Patient and public involvement", "What there was, or that there was none.", (), "the involvement"),
    Item(
        "20",
        "Participants",
        "Their flow and characteristics, and how evaluation data compare.",
        (AUDIT, SPLITS),
        "characteristics of the people",
    ),
    Item("21", "Model development", "Numbers of participants and events in each analysis.", (AUDIT, SPLITS)),
    Item(
        "22",
        "Model specification",
        "The model in full, so that others can use it.",
        (MODEL, "models/*/model.safetensors"),
    ),
    Item(
        "23",
        "Model performance",
        "Performance with intervals, and in key subgroups.",
        (COMPARE, RESULTS),
        "subgroups of people",
    ),
    Item("24", "Model updating", "Results of any updating.", (), "whether it was updated"),
    Item("25", "Interpretation", "The main results in context, fairness among them.", (REPORT,), "the interpretation"),
    Item("26", "Limitations", "Limits such as bias, size, missing data, generalisation.", (REPORT,), "the study's own"),
    Item("27", "Usability", "Poor input, the user's part and skill, next steps.", (), "use in current care"),
)

_FUTURE = (
    Item(
        "F1", "Fairness", "Define the sources of bias from the start.", (AUDIT,), "biases that need knowledge of people"
    ),
    Item(
        "F2",
        "Fairness",
        "Collect attributes of individuals and data where possible.",
        (SPLITS,),
        "which attributes were collected",
    ),
    Item("F3", "Fairness", "Evaluate fairness, and correct where needed.", (), "the evaluation"),
    Item("U1", "Universality", "Define the intended setting and how settings vary.", (), "the settings"),
    Item("U2", "Universality", "Use the community's standards and formats.", (RUN,), "which standards were used"),
    Item("U3", "Universality", "Evaluate on external data sets or several sites.", (), "the external evaluation"),
    Item("U4", "Universality", "Show that it is valid at the local site.", (), "the local validation"),
    Item("T1", "Traceability", "Manage risks through the whole life of the tool.", (), "the process"),
    Item(
        "T2",
        "Traceability",
        "Document the technology and its clinical use.",
        (MODEL, RUN, REPORT),
        "clinical documentation",
    ),
    Item("T3", "Traceability", "Control the quality of inputs and outputs.", (AUDIT, TRUST), "control while in use"),
    Item("T4", "Traceability", "Audit and update it from time to time.", (), "the schedule"),
    Item("T5", "Traceability", "Log its use.", (), "the log"),
    Item("T6", "Traceability", "Say who governs and answers for it.", (), "the governance"),
    Item("Us1", "Usability", "Define intended use and what users need.", (), "use and requirements"),
    Item("Us2", "Usability", "Provide for human oversight.", (), "the mechanisms"),
    Item("Us3", "Usability", "Train users.", (), "material and training"),
    Item("Us4", "Usability", "Evaluate users' experience with independent users.", (), "the evaluation"),
    Item("Us5", "Usability", "Evaluate clinical utility and safety.", (), "the evaluation"),
    Item(
        "R1",
        "Robustness",
        "Define what varies in the data of the real world.",
        (AUDIT,),
        "variation of scanners, protocols and readers",
    ),
    Item("R2", "Robustness", "Train on representative data.", (AUDIT, SPLITS), "that they are representative"),
    Item(
        "R3",
        "Robustness",
        "Evaluate and improve robustness against that variation.",
        (TRUST, SHORTCUT),
        "robustness on real data of other origins",
    ),
    Item("E1", "Explainability", "Define with users whether and which explanations are needed.", (), "what users said"),
    Item(
        "E2",
        "Explainability",
        "Evaluate explanations, by figures and with users.",
        (TRUST, TABLE),
        "the evaluation with users",
    ),
    Item("G1", "General", "Engage all who are concerned, throughout.", (), "who took part"),
    Item("G2", "General", "Protect data and privacy.", (), "the measures"),
    Item("G3", "General", "Act on the risks that were found.", (AUDIT, SHORTCUT), "what was done about them"),
    Item(
        "G4",
        "General",
        "An adequate plan of evaluation: data, measures, references.",
        (COMPARE, TRUST),
        "that the plan was made before",
    ),
    Item("G5", "General", "Find out which regulation applies, and act on it.", (), "which rules apply"),
    Item("G6", "General", "Look into ethical questions of this use.", (), "the investigation"),
    Item("G7", "General", "Look into social and environmental questions.", (), "the investigation"),
)

CHECKLISTS: dict[str, Checklist] = {
    "claim": Checklist(
        "CLAIM 2024: reporting of AI in medical imaging",
        "Tejani et al., 'Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update', Radiology: "
        "Artificial Intelligence 6(4), 2024",
        _CLAIM,
    ),
    "tripod-ai": Checklist(
        "TRIPOD+AI: reporting of clinical prediction models",
        "Collins et al., 'TRIPOD+AI statement', BMJ 385, 2024",
        _TRIPOD,
    ),
    "future-ai": Checklist(
        "FUTURE-AI: recommendations for trustworthy AI in healthcare",
        "Lekadir et al., 'FUTURE-AI: international consensus guideline for trustworthy and deployable artificial "
        "intelligence in healthcare', BMJ 388, 2025",
        _FUTURE,
    ),
}
"""By the name that `--checklist` takes. Numbers are the published ones; the letters of FUTURE-AI's sections are short
for fairness, universality, traceability, usability, robustness, explainability and general."""
