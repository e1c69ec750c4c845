"""Jobs e to g: LIME, SHAP, and both together with Grad-CAM of every layer."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import cache, partial
from unittest.mock import patch

import numpy as np
import speed_peers as peers
from speed_record import Claim, Contestant, Job
from speed_setting import Setting

from whyscan.explain.explain import explain_layers, explain_many
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.shap import SHAP
from whyscan.explain.games.surrogate import Labels, Perturbation
from whyscan.models import openvino_engine
from whyscan.models.classifier import Classifier, Predict
from whyscan.models.compiled import appoint

CORE, FAST = "whyscan, core", "whyscan, fast"
BATCH = 8
WARM = 16  # evaluations that are enough to warm up with
ONE_CLASS = "captum explains one class a call: one is timed, and counted once for each class."
SAME_ERROR = {"LIME": 317, "SHAP": 242}
"""Evaluations with the error of 1,000 of lime's and of KernelExplainer's: benchmarks/error.py, 20 scans."""
SHARED = 430  # of LIME and SHAP together, for the error of both; benchmarks/error.py


@dataclasses.dataclass(frozen=True, eq=False)
class Engine:
    """One of our engines: how to run something under it."""

    name: str
    classifier: Classifier
    within: Callable[[], contextlib.AbstractContextManager[None]]

    def anew(self) -> Engine:
        """With a network that nobody has compiled yet."""
        network = copy.deepcopy(self.classifier.network)
        return dataclasses.replace(self, classifier=dataclasses.replace(self.classifier, network=network))

    def explain(self, setting: Setting, method: type[LIME] | type[SHAP], samples: int) -> peers.Facts:
        with self.within():
            game = Perturbation(superpixels=Labels(setting.labels), samples=samples)
            (found,) = method(game)(self.classifier, [setting.scan])
        return {"evaluations": found.evaluations, "engine": found.engine}

    def predict(self, setting: Setting) -> tuple[Predict, str]:
        with self.within():
            probe = setting.board.mask(_coalitions(setting, 4))
            judge = appoint(self.classifier, "fast", probe)
        return judge.predict, judge.engine


def engines(setting: Setting) -> list[Engine]:
    """Core, which is there always, and what the extra `fast` brings, if it is installed."""
    core = Engine(CORE, setting.classifier, without_openvino)
    fast = Engine(FAST, setting.classifier, contextlib.nullcontext)
    return [core, fast] if openvino_engine.is_installed() else [core]


@contextlib.contextmanager
def without_openvino() -> Iterator[None]:
    """As if the extra were not installed."""
    with patch.object(openvino_engine, "is_installed", lambda: False):
        yield


def jobs(setting: Setting) -> list[Job]:
    ours = engines(setting)
    samples, share = setting.samples, setting.samples / 1000
    captum = partial(_one_class, peers.captum_kernel_shap)
    return [
        _compile(setting, ours),
        *(_bound(setting, engine, f"e{place}") for place, engine in enumerate(ours, 1)),
        _lime(setting, ours),
        _shap(setting, ours, "f1", "shap.PartitionExplainer", peers.shap_partition, round(500 * share)),
        _shap(setting, ours, "f2", "shap.KernelExplainer", peers.shap_kernel, samples),
        _shap(setting, ours, "f3", "shap.GradientExplainer", peers.shap_gradient, round(200 * share)),
        _shap(setting, ours, "f4", "captum.KernelShap", captum, samples, times=len(setting.classes)),
        _shap(setting, ours, "f5", "shap.DeepExplainer", lambda setting, _: peers.shap_deep(setting), samples),
        _together(setting, ours),
    ]


def _compile(setting: Setting, ours: list[Engine]) -> Job:
    def make(engine: Engine) -> peers.Facts:
        return {"engine": engine.anew().predict(setting)[1]}

    contestants = [Contestant(each.name, partial(make, each), "also ours", lambda: None) for each in ours]
    return Job("e0", "Making an engine: copied or compiled, and checked on the scan; once for a model", contestants)


def _bound(setting: Setting, engine: Engine, key: str) -> Job:
    samples = setting.samples
    bare = Contestant(
        "bound: bare forwards",
        partial(_forwards, engine, setting, samples),
        "bound",
        partial(_forwards, engine, setting, WARM),
    )
    return Job(
        key,
        f"LIME, {samples:,} evaluations, all classes, beside as many bare forwards",
        [_ours(setting, engine, LIME, samples), bare],
        [Claim(engine.name, bare.name, 1 / 1.03)],
        samples,
        notes=[f"The bound starts from perturbed scans that lie ready, in batches of {BATCH}, the engine compiled."],
    )


def _lime(setting: Setting, ours: list[Engine]) -> Job:
    judges = {"their float32 model": peers.float32(setting)}
    for engine in ours:
        judges[f"our engine, {engine.name.split()[-1]}"] = _judge_of(engine, setting)
    contestants = [_ours(setting, engine, LIME, setting.samples) for engine in ours]
    for name, judge in judges.items():
        run = partial(peers.lime, setting, judge)
        contestants.append(Contestant(f"lime, {name}", partial(run, setting.samples), warm=partial(run, WARM)))
    captum = partial(_one_class, peers.captum_lime)
    contestants.append(
        Contestant(
            "captum",
            partial(captum, setting, setting.samples),
            warm=partial(captum, setting, WARM),
            times=len(setting.classes),
        )
    )
    factors, theirs = {CORE: 2.5, FAST: 3.0}, "lime, their float32 model"
    claims = [Claim(engine.name, theirs, factors[engine.name]) for engine in ours]
    job = Job(
        "e3", f"LIME, {setting.samples:,} evaluations, {len(setting.classes)} classes", contestants, claims,
        setting.samples, notes=[ONE_CLASS],
    )  # fmt: skip
    return _at_the_same_error(job, setting, ours, LIME, theirs)


def _shap(
    setting: Setting,
    ours: list[Engine],
    key: str,
    name: str,
    peer: Callable[[Setting, int], peers.Facts],
    samples: int,
    times: int = 1,
) -> Job:
    samples = max(samples, WARM)
    contestants = [
        *(_ours(setting, engine, SHAP, samples) for engine in ours),
        Contestant(name, partial(peer, setting, samples), warm=partial(peer, setting, WARM), times=times),
    ]
    claims = [Claim(engine.name, name, 3.0) for engine in ours]
    job = Job(
        key, f"SHAP, {samples:,} evaluations, {len(setting.classes)} classes", contestants, claims, setting.samples,
        notes=[ONE_CLASS] if times > 1 else [],
    )  # fmt: skip
    return _at_the_same_error(job, setting, ours, SHAP, name) if key == "f2" else job


def _at_the_same_error(
    job: Job, setting: Setting, ours: list[Engine], method: type[LIME] | type[SHAP], theirs: str
) -> Job:
    """The job with whyscan also at as few evaluations as give the peer's error.

    What these are is known for 1,000. Of fewer, both are cut alike: an evaluation costs what it costs, and what whyscan
    spends once a scan counts for more.
    """
    share = setting.samples / 1000
    few = [
        _ours(setting, engine, method, round(SAME_ERROR[method.__name__] * share), "the same error") for engine in ours
    ]
    claims = [*job.claims, *(Claim(each.name, theirs, 10.0) for each in few)]
    cut = (
        [] if share == 1 else [f"The same error: {share:g} of the evaluations that it takes, and of the peer's 1,000."]
    )
    return dataclasses.replace(job, contestants=[*job.contestants, *few], claims=claims, notes=[*job.notes, *cut])


def _together(setting: Setting, ours: list[Engine]) -> Job:
    def run(engine: Engine) -> peers.Facts:
        with engine.within():
            cut = setting.labels
            found = explain_many(engine.classifier, setting.scan, ["lime", "shap"], samples=SHARED, superpixels=cut)
            explain_layers(engine.classifier, setting.scan)
        return {"evaluations": found["shap"].evaluations, "engine": found["shap"].engine}

    def cold(engine: Engine) -> peers.Facts:
        return run(engine.anew())

    contestants = [Contestant(engine.name, partial(run, engine), "ours") for engine in ours]
    contestants += [
        Contestant(f"{engine.name}, first call: compiled anew", partial(cold, engine), "ours", lambda: None)
        for engine in ours
    ]
    return Job(
        "g", f"LIME + SHAP ({SHARED} shared evaluations) + Grad-CAM of all layers, {len(setting.classes)} classes",
        contestants, [Claim(each.name, "", 20.0) for each in contestants],
    )  # fmt: skip


def _ours(
    setting: Setting, engine: Engine, method: type[LIME] | type[SHAP], samples: int, what: str = ""
) -> Contestant:
    run = partial(engine.explain, setting, method)
    return Contestant(
        f"{engine.name}, {what}" if what else engine.name, partial(run, samples), "ours", partial(run, WARM)
    )


def _one_class(peer: Callable[[Setting, int, int], peers.Facts], setting: Setting, samples: int) -> peers.Facts:
    found = peer(setting, samples, setting.predicted)
    return {**found, "evaluations": found["evaluations"] * len(setting.classes)}


def _judge_of(engine: Engine, setting: Setting) -> peers.Judge:
    return lambda images: peers.ours(_predict(engine, setting)[0])(images)


def _forwards(engine: Engine, setting: Setting, samples: int) -> peers.Facts:
    predict, name = _predict(engine, setting)
    pixels = setting.board.mask(_coalitions(setting, BATCH))
    for start in range(0, samples, BATCH):
        predict(pixels[: samples - start])
    return {"evaluations": samples, "engine": name}


@cache
def _predict(engine: Engine, setting: Setting) -> tuple[Predict, str]:
    """Made once, while warming up."""
    return engine.predict(setting)


def _coalitions(setting: Setting, count: int) -> np.ndarray:
    coalitions = np.random.default_rng(0).random((count, setting.board.players)) < 0.5
    coalitions[0] = True
    return coalitions
