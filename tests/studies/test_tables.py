"""What a person reads at the end of a study."""

from rich.table import Table

from bal.studies.report import show


def test_no_figure_is_cut_off_where_the_screen_is_narrow(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table()
    for number in range(10):
        table.add_column(f"column {number}", no_wrap=True)
    table.add_row(*(f"{number}.12345" for number in range(10)))
    show(table, "a sentence that is longer than forty columns and is still printed as one line", "results/[bold]x")
    printed = capsys.readouterr().out
    assert all(f"{number}.12345" in printed for number in range(10))
    assert "a sentence that is longer than forty columns and is still printed as one line\n" in printed
    assert "results/[bold]x" in printed
