"""The search index: words, filters, prices that wait, rollbacks, hostile texts."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from joynet_sdk.errors import ConfigError, InvalidInputError
from joynet_sdk.formats import (
    DAG_PB,
    RAW,
    Cid,
    Engine,
    InputSpec,
    Manifest,
    ManifestFile,
    ModelCard,
    OutputSpec,
)
from joynet_sdk.searching import Mark, MarketEvent, Query
from joynet_sdk.storage.catalogue import Catalogue

ALICE, BOB = "0x" + "Aa" * 20, "0x" + "Bb" * 20
DAY = 86_400


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = Catalogue(tmp_path / "sub" / "index.sqlite")
    yield found
    found.close()


def manifest(title: str, **changes) -> Manifest:
    made = Manifest(
        title=title,
        architecture="bert",
        engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
        verification="exact",
        root=str(Cid(DAG_PB, bytes(32))),
        files=[
            ManifestFile(path="a", size=1, sha256="0x" + "00" * 32, cid=str(Cid(RAW, bytes(32))))
        ],
        input=InputSpec(kind="text", dtype="utf8", shape=[]),
        output=OutputSpec(kind="vector", dtype="float32", shape=[4]),
        license="Apache-2.0",
        publisher=ALICE,
    )
    return msgspec.structs.replace(made, **changes)


def name_of(made: Manifest) -> str:
    return "0x" + made.model_id.hex()


def listed(model: str, block: int, price: int = 10, publisher: str = ALICE, **more) -> MarketEvent:
    return MarketEvent(block, 0, block * 100, "listed", model, publisher, price, **more)


def mark(block: int, fork: str = "a") -> Mark:
    return Mark(block, f"0x{fork}{block}")


def titles(catalogue: Catalogue, **query) -> list[str | None]:
    return [hit.title for hit in catalogue.search(Query(**query))]


def test_words_rank_the_title_first_and_the_last_may_be_cut_short(catalogue):
    digits = manifest("Handwritten digits", card=ModelCard(task="image-classification"))
    faces = manifest("Faces", card=ModelCard(summary="Not digits.", tags=["zürich"]))
    plain = manifest("Plain")
    models = [digits, faces, plain]
    events = [listed(name_of(made), i + 1) for i, made in enumerate(models)]
    assert catalogue.append(None, events, mark(9))
    for made in models:
        catalogue.put_card(made, "# Words\nof wisdom" if made is plain else "")
    assert titles(catalogue, words="digits") == ["Handwritten digits", "Faces"]
    assert titles(catalogue, words="digits hand") == ["Handwritten digits"]
    assert titles(catalogue, words="wis") == ["Plain"]
    assert titles(catalogue, words="ZURICH") == ["Faces"]
    assert titles(catalogue, words="nothing") == []
    assert titles(catalogue) == ["Plain", "Faces", "Handwritten digits"]  # the newest first
    assert titles(catalogue, task="image-classification") == ["Handwritten digits"]
    assert titles(catalogue, limit=1, sort="title") == ["Faces"]


@pytest.mark.parametrize(
    "words", ['" OR 1', "digits NOT x", "title:digits", "NEAR(a b)", "a*b", "'; DROP TABLE cards"]
)
def test_words_are_text_and_no_expression(catalogue, words):
    made = manifest(words)
    catalogue.append(None, [listed(name_of(made), 1)], mark(1))
    catalogue.put_card(made)
    assert titles(catalogue, words=words) == [words]


@pytest.mark.parametrize("words", ["!?", " ".join("abcdefghijklmnopq")])
def test_words_that_cannot_be_looked_for(catalogue, words):
    with pytest.raises(InvalidInputError, match="expected 1 to 16"):
        catalogue.search(Query(words=words))


def test_filters(catalogue):
    cheap = manifest("Cheap", license="MIT", architecture="qmodel/2")
    dear = manifest("Dear", publisher=None)
    catalogue.append(
        None,
        [
            listed(name_of(cheap), 1, price=5),
            listed(name_of(dear), 2, price=2**255, publisher=BOB, verification=1),
        ],
        mark(2),
    )
    catalogue.put_card(cheap)
    catalogue.put_card(dear)
    assert titles(catalogue, license="mit") == ["Cheap"]
    assert titles(catalogue, architecture="QModel/2") == ["Cheap"]
    assert titles(catalogue, publisher=BOB.lower()) == ["Dear"]
    assert titles(catalogue, verification="tolerant") == ["Dear"]
    assert titles(catalogue, verification="exact") == ["Cheap"]
    assert titles(catalogue, max_price=4) == []
    assert titles(catalogue, max_price=5) == ["Cheap"]
    assert titles(catalogue, max_price=2**255) == ["Dear", "Cheap"]
    assert titles(catalogue, sort="price") == ["Cheap", "Dear"]


def test_prices_wait_for_their_notice_and_replace_one_another(catalogue):
    model = name_of(manifest("Digits"))
    risen = MarketEvent(5, 0, 500, "priced", model, price=30, effective_at=500 + DAY)
    catalogue.append(None, [listed(model, 1), risen], mark(5))

    def price(now: int) -> int:
        return catalogue.search(Query(now=now))[0].price

    assert (price(500), price(500 + DAY - 1), price(500 + DAY)) == (10, 10, 30)
    replaced = MarketEvent(6, 0, 600, "priced", model, price=20, effective_at=600 + DAY)
    catalogue.append(mark(5), [replaced], mark(6))
    assert (price(500 + DAY), price(600 + DAY)) == (10, 20)
    later = 600 + 2 * DAY
    lower = MarketEvent(7, 0, later, "priced", model, price=1, effective_at=later)
    catalogue.append(mark(6), [lower], mark(7))
    assert (price(later - 1), price(later)) == (20, 1)


def test_delisted_models_are_found_on_request_only(catalogue):
    model = name_of(manifest("Digits"))
    gone = MarketEvent(2, 0, 200, "delisted", model)
    catalogue.append(None, [listed(model, 1), gone], mark(2))
    assert catalogue.search(Query()) == []
    assert [hit.is_active for hit in catalogue.search(Query(is_all=True))] == [False]
    catalogue.append(mark(2), [MarketEvent(3, 0, 300, "relisted", model)], mark(3))
    assert [hit.is_active for hit in catalogue.search(Query())] == [True]
    assert catalogue.counts() == (1, 1)


def test_a_rollback_undoes_what_came_after(catalogue):
    old, new = name_of(manifest("Old")), name_of(manifest("New"))
    parents = ((old, 700),)
    catalogue.append(None, [listed(old, 1)], mark(1))
    catalogue.append(
        mark(1),
        [
            MarketEvent(2, 1, 200, "delisted", old),
            listed(new, 2, parents=parents),
            MarketEvent(2, 2, 200, "priced", old, price=1, effective_at=200),
        ],
        mark(2),
    )
    assert catalogue.children(old) == [(new, 700)]
    assert catalogue.roll_back(mark(1)) == 3
    assert catalogue.marks() == [mark(1)]
    assert [(hit.model, hit.price) for hit in catalogue.search(Query())] == [(old, 10)]
    assert catalogue.children(old) == []
    assert catalogue.append(mark(1), [], mark(2, "b"))
    assert catalogue.roll_back(None) == 1
    assert catalogue.search(Query(is_all=True)) == []
    assert catalogue.marks() == []


def test_another_process_was_faster(catalogue, tmp_path):
    model = name_of(manifest("Digits"))
    other = Catalogue(tmp_path / "sub" / "index.sqlite")
    assert other.append(None, [listed(model, 1)], mark(1))
    assert not catalogue.append(None, [listed(model, 1)], mark(1))
    assert [hit.model for hit in catalogue.search(Query())] == [model]
    other.close()


def test_another_market_starts_from_nothing(catalogue):
    catalogue.bind("1 0xaa")
    catalogue.append(None, [listed(name_of(manifest("Digits")), 1)], mark(1))
    catalogue.bind("1 0xaa")
    assert len(catalogue.search(Query())) == 1
    catalogue.bind("1 0xbb")
    assert catalogue.search(Query()) == []
    assert catalogue.marks() == []


def test_a_copied_manifest_does_not_lend_its_words(catalogue):
    made = manifest("Digits", publisher=ALICE)
    catalogue.append(None, [listed(name_of(made), 1, publisher=BOB)], mark(1))
    catalogue.put_card(made)
    assert titles(catalogue, words="digits") == []
    assert catalogue.search(Query(is_all=True)) == []


def test_cards_are_learnt_once_and_readmes_later(catalogue):
    made = manifest("Digits")
    model = name_of(made)
    catalogue.append(None, [listed(model, 1)], mark(1))
    assert catalogue.without_card(100.0, 5) == [model]
    catalogue.tried([model], 100.0)
    assert catalogue.without_card(100.0, 5) == []
    assert catalogue.without_card(101.0, 5) == [model]
    catalogue.put_card(made)
    assert catalogue.without_card(101.0, 5) == []
    assert titles(catalogue, words="later") == []
    catalogue.put_card(made, "words that came later")
    catalogue.put_card(made)
    assert titles(catalogue, words="later") == ["Digits"]
    assert catalogue.title(model) == "Digits"
    assert catalogue.counts() == (1, 0)


def test_hostile_texts_are_kept_as_they_are(catalogue):
    made = manifest("\x1b[2J\x00zero\u202eevil", card=ModelCard(summary="a\nb", tags=["\x07"]))
    catalogue.append(None, [listed(name_of(made), 1)], mark(1))
    catalogue.put_card(made, "\x1b]0;x\x07" * 10_000)
    assert catalogue.search(Query(words="zero"))[0].title == "\x1b[2J zero\u202eevil"


def test_a_file_of_another_version_is_made_anew(tmp_path):
    path = tmp_path / "index.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE models (other TEXT)")
        db.execute("PRAGMA user_version = 99")
    db.close()
    found = Catalogue(path)
    assert found.marks() == []
    assert found.append(None, [], mark(1))
    found.close()
    again = Catalogue(path)
    assert again.marks() == [mark(1)]
    again.close()


def test_what_is_no_database_is_said(tmp_path):
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError, match="it is not a database"):
        Catalogue(path)


def test_processes_that_open_a_new_index_together_wait_for_each_other(tmp_path):
    """SQLite refuses at once, whatever its time-out, while a file changes to WAL mode."""
    path, lock, is_open = tmp_path / "index.sqlite", tmp_path / "index.lock", threading.Event()

    def open_it() -> None:
        Catalogue(path).close()
        is_open.set()

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=open_it)
        thread.start()
        assert not is_open.wait(0.3)
        assert not path.exists()
    thread.join()
    assert is_open.is_set()
