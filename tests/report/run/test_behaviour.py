"""What the page says of what an agent did, and of what it goes by."""

from dataclasses import replace

from finai_rl.evaluation.behaviour import Behaviour, habits_of
from finai_rl.report.formats import ends, number
from finai_rl.report.run.contents import EvaluationReport
from tests.evaluation.accounts import traded
from tests.report.run.reports import behaviour_of
from tests.report.run.test_page import Reader, page_of


def test_what_the_agent_did_and_goes_by():
    agent = traded(120, 4, size=0.1)
    report = EvaluationReport("agent", agent, behaviour=behaviour_of(agent))
    reader = Reader(page_of(report))
    assert report.behaviour.habits.sentence() in reader.text
    rows = reader.rows("reasons")
    assert list(rows)[1:3] == ["macd<b>", "cash"]
    assert rows["macd<b>"] == ["0.70", "0.20 to 1.10"]
    driver = report.behaviour.drivers[0].level
    made_of = reader.rows("reasons", 1)
    assert list(made_of)[1:] == ["macd<b>", "cash"]
    assert made_of["macd<b>"] == ["60.0 %", "30.0 %"]
    assert reader.rows("reasons", 2)["close"][:2] == [
        number(driver.estimate, "ratio"),
        ends(driver.low, driver.high, "ratio"),
    ]
    assert "Something <was> left out." in reader.text
    assert "20 shuffles" in reader.text


def test_an_agent_that_only_bought_is_told_first():
    held = replace(traded(2, 2, seed=1, cash=1000.0), name="holder")
    found = Behaviour(habits_of(held))
    reader = Reader(page_of(EvaluationReport("held", held, behaviour=found)))
    assert reader.sections[:2] == ["behaviour", "account-value"]
    assert "It bought and held: 100 %" in reader.text
    assert "reasons" not in reader.sections
