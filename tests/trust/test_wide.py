"""Two samples, one answer: of scans chosen for comparisons, and of scans drawn from all alike."""

from dataclasses import replace

from whyscan.trust import wide
from whyscan.trust.answer import Answer

CHOSEN = Answer(1, "Does it look there?", "yes", "It does: +0.5 points.", short="It looks there.")
ALIKE = Answer(1, "Does it look there?", "no", "It does not: 0.0 points.", short="It looks elsewhere.")


def test_what_the_data_say_stands_beside_what_the_chosen_scans_say() -> None:
    told = wide.both(CHOSEN, {1: ALIKE})
    assert told.badges == (("drawn alike", "no"), ("chosen scans", "yes"))
    assert "comparisons: It looks there." in told.short and "methods: It looks elsewhere." in told.short
    assert told.verdict == "yes" and told.sentence == CHOSEN.sentence


def test_two_samples_that_say_the_same_are_told_once() -> None:
    told = wide.both(CHOSEN, {1: CHOSEN})
    assert told.short == "It looks there. The same on scans drawn from all alike." and not told.badges


def test_one_word_for_two_findings_is_no_reason_for_two_badges() -> None:
    told = wide.both(CHOSEN, {1: replace(CHOSEN, short="It looks there, and more.")})
    assert not told.badges and "It looks there, and more." in told.short


def test_nothing_is_added_where_one_of_the_two_was_not_measured() -> None:
    missing = replace(ALIKE, verdict="not measured")
    assert wide.both(CHOSEN, {}) == wide.both(CHOSEN, {1: missing}) == wide.both(CHOSEN, {2: ALIKE}) == CHOSEN
    assert wide.both(missing, {1: CHOSEN}) == missing
