"""The papers by name: author and year."""

from experiments.reproductions.papers import beluch_2018, epig_2023, gal_2017, stochastic_2021, wang_2017

PAPERS = {
    "gal_2017": gal_2017.PAPER,
    "wang_2017": wang_2017.PAPER,
    "beluch_2018": beluch_2018.PAPER,
    "stochastic_2021": stochastic_2021.PAPER,
    "epig_2023": epig_2023.PAPER,
}
