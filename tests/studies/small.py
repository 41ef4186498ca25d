"""The settings that small studies share: a few points, an MLP of one layer, three rounds of three seeds."""

from bal.studies.settings import Settings

SMALL = Settings().with_values(
    num_pool=60,
    num_test=40,
    hidden_sizes=(16,),
    num_steps=10,
    num_samples=4,
    num_initial=6,
    num_rounds=3,
    batch_size=2,
    num_seeds=3,
    seeds_at_once=2,
)
