"""A card lies beside its run and is what its versions say, however they are registered."""

from __future__ import annotations

from mlflow import MlflowClient

from finai_rl.tracking.models.card import LONGEST, card_of, describe, write_card


def test_versions_say_what_the_card_says(client: MlflowClient) -> None:
    run_id = client.create_run(client.create_experiment("cards")).info.run_id
    client.create_registered_model("carded")
    source = client.get_run(run_id).info.artifact_uri
    first = client.create_model_version("carded", source, run_id)
    assert card_of(client, run_id) is None
    describe(client, "carded", str(first.version), None)
    write_card(client, run_id, "# Mine\n" + "x" * LONGEST, "<html>")
    said = client.get_model_version("carded", first.version).description
    assert said.startswith("# Mine")
    assert len(said) == LONGEST
    # One that is registered later is given the card that lies there.
    card = card_of(client, run_id)
    assert card is not None
    assert len(card) > LONGEST
    later = client.create_model_version("carded", source, run_id)
    describe(client, "carded", str(later.version), card)
    assert client.get_model_version("carded", later.version).description == said
