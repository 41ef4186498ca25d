"""One page on the results of ``bal compare``: :func:`bal.studies.report.command.main`."""
