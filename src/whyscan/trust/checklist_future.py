"""FUTURE-AI, 2025: its 30 recommendations by the codes of its figure 3, in our own short words."""

from __future__ import annotations

from whyscan.trust.checklist_item import AUDIT, COMPARE, MODEL, REPORT, RUN, SHORTCUT, SPLITS, TABLE, TRUST, Item

FUTURE = (
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
