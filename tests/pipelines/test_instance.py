"""The home of the Dagster instance."""

from pipelines.instance import PROJECT, dagster_home


def test_the_home_is_made_and_has_the_projects_settings(workplace):
    for _ in range(2):
        home = dagster_home()
        assert home == workplace.home
        assert (home / "dagster.yaml").resolve() == PROJECT / "dagster.yaml"
        assert [file.name for file in home.iterdir()] == ["dagster.yaml"]


def test_a_link_to_where_the_project_was_before_it_moved_is_renewed(workplace):
    workplace.home.mkdir()
    (workplace.home / "dagster.yaml").symlink_to(workplace.home / "gone" / "dagster.yaml")
    assert (dagster_home() / "dagster.yaml").exists()


def test_settings_of_ones_own_are_left_alone(workplace):
    workplace.home.mkdir()
    (workplace.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert (dagster_home() / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
