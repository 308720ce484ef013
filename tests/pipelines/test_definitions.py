import warnings

import dagster as dg
import yaml

from pipelines.definitions import defs
from pipelines.instance import PROJECT
from wunderkammer.externals import EXTERNALS
from wunderkammer.stages import STAGES
from wunderkammer.subject import SECTIONS


def test_the_definitions_load():
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_chain_of_stages():
    graph = defs.resolve_asset_graph()
    for stage in STAGES:
        node = graph.get(dg.AssetKey(stage.name))
        parents = {"/".join(key.path) for key in node.parent_keys}
        observed = (*stage.sections, *stage.externals)
        assert parents == {*stage.upstreams, *(f"config/{name}" for name in observed)}
        assert node.code_version == stage.code_version
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.group_name


def test_every_section_feeds_exactly_the_stages_that_read_it():
    graph = defs.resolve_asset_graph()
    for section in SECTIONS:
        children = graph.get(dg.AssetKey(["config", section])).child_keys
        readers = {stage.name for stage in STAGES if section in stage.sections}
        assert {key.to_user_string() for key in children} == readers


def test_training_waits_for_the_gpu_pool():
    graph = defs.resolve_asset_graph()
    for name in ("trained_checkpoint", "trained_detector"):
        assert graph.get(dg.AssetKey(name)).pools == {"gpu"}


def test_every_check_is_partitioned_and_all_but_the_warning_block():
    specs = [check.check_specs for check in defs.asset_checks or []]
    assert all(spec.partitions_def is not None for (spec,) in specs)
    assert [spec.name for (spec,) in specs if not spec.blocking] == ["not_memorised"]


def test_loading_leaks_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import assets.checks
        import assets.recipe

        # The sections, and what follows from the decisions of persons.
        assert len(assets.recipe._observables()) == len(SECTIONS) + len(EXTERNALS)
        assert assets.checks._all_checks()


def test_the_instance_settings_are_valid_and_give_every_pool_one_slot():
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    with dg.instance_for_test(overrides=settings) as instance:
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled
