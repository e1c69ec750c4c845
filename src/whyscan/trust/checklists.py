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
    """A published checklist.

    Attributes:
        title: what it is called, and what it is for.
        version: which version these items are of.
        citation: where it was published.
        source: where its own wording is.
        checked: against what the numbers here were checked, and what was not.
        items: in its order.
    """

    title: str
    version: str
    citation: str
    source: str
    checked: str
    items: tuple[Item, ...]


AUDIT, SPLITS, COMPARE = "audit/audit.json", "splits.csv", "compare/compare.json"
MODEL, CURVES, PREDICTIONS = "models/*/model.json", "models/*/curves.csv", "models/*/predictions.csv"
RUN, RESULTS, REPORT = "run.json", "results.csv", "report.html"
WEIGHTS = "models/*/model.safetensors"
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
    Item("14", "Reference standard", "By which methods the reference standard was obtained.", (), "the definition"),
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
    Item(
        "1",
        "Title",
        "Say that a prediction model is developed or evaluated, for whom and for which outcome.",
        (),
        "the title",
    ),
    Item("2", "Abstract", "An abstract after TRIPOD+AI for Abstracts.", (), "the abstract"),
    Item(
        "3a",
        "Background",
        "The health care context, the reason for the model, and models that exist.",
        (),
        "the context",
    ),
    Item(
        "3b",
        "Background",
        "The target population, the purpose in the care pathway, and the intended users.",
        (),
        "population, purpose and users",
    ),
    Item("3c", "Background", "Known health inequalities between sociodemographic groups.", (), "what is known"),
    Item("4", "Objectives", "The objectives: development, evaluation or both.", (), "the objectives"),
    Item(
        "5a",
        "Data",
        "Sources of the data, why these, and how representative they are.",
        (AUDIT,),
        "the source, the reason and representativeness",
    ),
    Item("5b", "Data", "Dates of the data.", (), "the dates"),
    Item("6a", "Participants", "The setting, with number and place of the centres.", (), "the setting"),
    Item("6b", "Participants", "Who was eligible.", (), "the criteria"),
    Item(
        "6c",
        "Participants",
        "Treatments, and how they were dealt with.",
        (),
        "the treatments, or that there were none",
    ),
    Item(
        "7",
        "Data preparation",
        "How data were prepared and checked, and whether alike across groups of people.",
        (AUDIT, MODEL),
        "preparation before this run, and groups of people",
    ),
    Item(
        "8a",
        "Outcome",
        "What is predicted, over which time, how and when it was assessed, and why this.",
        (),
        "the definition",
    ),
    Item("8b", "Outcome", "If judgement was needed, who judged and how qualified.", (), "the assessors"),
    Item("8c", "Outcome", "Whether those who assessed the outcome were blinded.", (), "the blinding"),
    Item("9a", "Predictors", "Which predictors were chosen at first, and why.", (MODEL,), "why these images"),
    Item(
        "9b",
        "Predictors",
        "What every predictor is, how and when it was measured.",
        (MODEL,),
        "scanners, sequences and protocols",
    ),
    Item("9c", "Predictors", "If judgement was needed, who judged and how qualified.", (), "the assessors"),
    Item(
        "10",
        "Sample size",
        "How the study size was arrived at, for development and for evaluation.",
        (),
        "the calculation",
    ),
    Item("11", "Missing data", "How missing data were handled.", (AUDIT,), "missing data beyond unreadable files"),
    Item("12a", "Analytical methods", "How the data were used, and how they were divided.", (SPLITS, AUDIT)),
    Item("12b", "Analytical methods", "How predictors were handled: form, scaling, transformation.", (MODEL,)),
    Item(
        "12c",
        "Analytical methods",
        "Type of model, reason, all steps of building, tuning, internal validation.",
        (MODEL, CURVES, COMPARE),
        "why this type of model",
    ),
    Item(
        "12d",
        "Analytical methods",
        "Heterogeneity between clusters, such as hospitals.",
        (),
        "heterogeneity between sites",
    ),
    Item("12e", "Analytical methods", "Measures and plots of performance, and why.", (COMPARE, RESULTS)),
    Item(
        "12f",
        "Analytical methods",
        "Any updating of the model, such as recalibration.",
        (),
        "whether it was updated",
    ),
    Item("12g", "Analytical methods", "For evaluation: how predictions were worked out.", (MODEL, PREDICTIONS)),
    Item("13", "Class imbalance", "Whether and how it was handled, and recalibration after.", (AUDIT, MODEL)),
    Item("14", "Fairness", "What was done about the fairness of the model, and why.", (), "approaches and reasons"),
    Item(
        "15",
        "Model output",
        "What comes out (probabilities, classes), and thresholds with their reason.",
        (MODEL, PREDICTIONS),
    ),
    Item(
        "16",
        "Training versus evaluation",
        "How the data of development and evaluation differ.",
        (SPLITS, AUDIT),
        "differences of setting, eligibility and outcome",
    ),
    Item("17", "Ethical approval", "Which body approved, and consent.", (), "the approval"),
    Item("18a", "Open science", "Funding, and what the funders did.", (), "the funding"),
    Item("18b", "Open science", "Conflicts of interest.", (), "the interests"),
    Item(
        "18c",
        "Open science",
        "Where the protocol is, or that there is none.",
        (),
        "a protocol written before the study",
    ),
    Item("18d", "Open science", "Registration, or that it is not registered.", (), "the registration"),
    Item("18e", "Open science", "Whether the data can be had.", (), "where the data are"),
    Item("18f", "Open science", "Whether the code of the analysis can be had.", (RUN,), "where the code is"),
    Item("19", "Patient and public involvement", "What there was, or that there was none.", (), "the involvement"),
    Item(
        "20a",
        "Participants",
        "Their flow, with numbers by outcome.",
        (AUDIT, SPLITS),
        "the flow of people, where the data do not name them",
    ),
    Item(
        "20b",
        "Participants",
        "Their characteristics, overall and by source or setting.",
        (SPLITS,),
        "characteristics of the people",
    ),
    Item(
        "20c",
        "Participants",
        "For evaluation: how important predictors compare with the development data.",
        (AUDIT,),
        "the comparison of people",
    ),
    Item("21", "Model development", "Numbers of participants and of outcomes in each analysis.", (AUDIT, SPLITS)),
    Item("22", "Model specification", "The model in full, so that others can predict with it.", (MODEL, WEIGHTS)),
    Item(
        "23a",
        "Model performance",
        "Performance with intervals, in key subgroups too.",
        (COMPARE, RESULTS),
        "subgroups of people",
    ),
    Item(
        "23b",
        "Model performance",
        "If examined, heterogeneity of performance between clusters.",
        (),
        "heterogeneity between sites",
    ),
    Item("24", "Model updating", "Results of any updating.", (), "whether it was updated"),
    Item("25", "Interpretation", "The main results in context, fairness among them.", (REPORT,), "the interpretation"),
    Item(
        "26",
        "Limitations",
        "Limits, and what they do to bias, uncertainty and generalisation.",
        (REPORT,),
        "the study's own",
    ),
    Item("27a", "Usability", "How poor or missing input should be dealt with in use.", (), "the handling in use"),
    Item("27b", "Usability", "Whether users handle the input, and what expertise they need.", (), "the users' part"),
    Item("27c", "Usability", "Next steps for research, applicability and generalisation.", (), "the next steps"),
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
    Item("Un1", "Universality", "Define the intended setting and how settings vary.", (), "the settings"),
    Item("Un2", "Universality", "Use the community's standards and formats.", (RUN,), "which standards were used"),
    Item("Un3", "Universality", "Evaluate on external data sets or several sites.", (), "the external evaluation"),
    Item("Un4", "Universality", "Show that it is valid at the local site.", (), "the local validation"),
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

_CHECKED = (
    "Numbers, order and subjects were compared in November 2026 with {against}. The publisher's own file was not at "
    "hand, so its wording was not compared: the items are in whyscan's words."
)

CHECKLISTS: dict[str, Checklist] = {
    "claim": Checklist(
        "CLAIM: reporting of AI in medical imaging",
        "2024 update, 44 items",
        "Tejani et al., 'Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update', Radiology: "
        "Artificial Intelligence 6(4): e240300, 2024",
        "https://doi.org/10.1148/ryai.240300",
        _CHECKED.format(against="two checklists of all 44 items that other authors have completed and published"),
        _CLAIM,
    ),
    "tripod-ai": Checklist(
        "TRIPOD+AI: reporting of clinical prediction models",
        "2024, 27 items in 52 parts",
        "Collins et al., 'TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
        "regression or machine learning methods', BMJ 385: e078378, 2024",
        "https://doi.org/10.1136/bmj-2023-078378",
        _CHECKED.format(against="a checklist of all 52 parts that other authors have completed and published, and a "
                        "second list of their numbers"),
        _TRIPOD,
    ),
    "future-ai": Checklist(
        "FUTURE-AI: recommendations for trustworthy AI in healthcare",
        "2025, 30 recommendations",
        "Lekadir et al., 'FUTURE-AI: international consensus guideline for trustworthy and deployable artificial "
        "intelligence in healthcare', BMJ 388: e081554, 2025",
        "https://doi.org/10.1136/bmj-2024-081554",
        _CHECKED.format(against="a handbook that goes through all 30 by their codes"),
        _FUTURE,
    ),
}  # fmt: skip
"""By the name that `--checklist` takes. Numbers are the published ones; FUTURE-AI's codes are those of its figure 3: F
fairness, Un universality, T traceability, Us usability, R robustness, E explainability, G general."""
