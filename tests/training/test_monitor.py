import threading

from rlplay.training.monitor import HISTORY_POINTS, Monitor, PublishedUpdate, PublishedWeights


def point(number: int) -> dict[str, float]:
    return {"episode": number, "episodes": 1, "steps": 10 * number, "score": number % 7,
            "score_max": number % 11}  # fmt: skip


def test_history_gives_only_what_is_new():
    monitor = Monitor()
    for number in range(5):
        monitor.add_point(point(number))
    columns, index, generation = monitor.history()
    assert columns["episode"] == [0, 1, 2, 3, 4]
    monitor.add_point(point(5))
    columns, index, again = monitor.history(index)
    assert columns["episode"] == [5]
    assert again == generation


def test_history_stays_bounded_and_keeps_the_sums():
    monitor = Monitor()
    total = 5 * HISTORY_POINTS
    for number in range(total):
        monitor.add_point(point(number))
    columns, index, generation = monitor.history()
    assert index <= HISTORY_POINTS
    assert generation > 0
    episodes = sum(columns["episodes"])
    assert episodes == columns["episode"][-1] + 1
    mean = sum(s * e for s, e in zip(columns["score"], columns["episodes"], strict=True)) / episodes
    assert abs(mean - 3) < 0.01
    assert max(columns["score_max"]) == 10
    assert columns["steps"] == sorted(columns["steps"])


def test_a_column_that_comes_late_is_filled_with_nothing():
    monitor = Monitor()
    monitor.add_point({"steps": 1, "episodes": 1})
    monitor.add_point({"steps": 2, "episodes": 1, "loss": 0.5})
    assert monitor.history()[0]["loss"] == [None, 0.5]


def test_a_new_run_is_a_new_generation():
    monitor = Monitor()
    monitor.add_point(point(1))
    generation = monitor.history()[2]
    monitor.reset_history()
    assert monitor.history() == ({}, 0, generation + 1)


def test_versions_grow_and_boards_are_counted():
    monitor = Monitor(algo="ppo")
    monitor.publish(total_steps=5)
    monitor.publish(game_state={"a": 1})
    snapshot = monitor.snapshot()
    assert (snapshot.version, snapshot.board_version) == (2, 1)
    assert (snapshot.algo, snapshot.total_steps) == ("ppo", 5)


def test_who_listens_is_told_of_decisions_and_not_of_numbers():
    monitor = Monitor(state="running")
    calls = []

    def told():
        calls.append(monitor.snapshot().state)

    monitor.on_change(told)
    monitor.on_change(told)
    monitor.publish(total_steps=5, state="running")
    assert calls == []
    monitor.publish(state="paused")
    assert calls == ["paused"]
    monitor.publish(moves_per_second=10.0)
    assert len(calls) == 2
    monitor.publish(game_state={"steps": 1})  # at a pace, an eye follows each board
    monitor.publish(total_steps=6)
    assert len(calls) == 3
    monitor.publish(is_max_speed=True)
    monitor.publish(game_state={"steps": 2})
    assert len(calls) == 3


def test_boards_are_wanted_only_after_somebody_asked():
    monitor = Monitor()
    assert not monitor.board_wanted()
    monitor.want_board()
    assert monitor.board_wanted()


def test_weights_are_given_while_somebody_asks_and_forgotten_with_the_run():
    woken = []
    monitor = Monitor(wake=lambda: woken.append(monitor.weights_wanted()))
    assert not monitor.weights_wanted()
    monitor.want_weights()
    monitor.want_weights()
    assert monitor.weights_wanted()
    assert woken == [True]  # once: who asks goes on asking
    monitor.publish_weights(5, 2, {"w": 1})
    monitor.publish_weights(6, 3, {"w": 2})
    assert monitor.weights() == PublishedWeights(2, 6, 3, {"w": 2})
    monitor.forget_weights()
    assert monitor.weights() is None
    monitor.publish_weights(1, 0, {"w": 3})
    assert monitor.weights().version == 3


def test_updates_are_told_while_somebody_asks_and_forgotten_with_the_run():
    monitor = Monitor()
    assert not monitor.update_wanted()
    assert monitor.update() is None
    monitor.want_update()
    assert monitor.update_wanted()
    monitor.publish_update(5, {"kl": 0.1})
    monitor.publish_update(6, {"kl": 0.2})
    assert monitor.update() == PublishedUpdate(2, 6, {"kl": 0.2})
    monitor.forget_update()
    assert monitor.update() is None
    monitor.publish_update(1, {})
    assert monitor.update().version == 3


def test_readers_and_the_writer_do_not_disturb_each_other():
    monitor = Monitor()
    stop = threading.Event()
    problems = []

    def read() -> None:
        while not stop.is_set():
            columns, _, _ = monitor.history()
            if len({len(values) for values in columns.values()}) > 1:
                problems.append(columns)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3_000):
        monitor.add_point(point(number))
    stop.set()
    reader.join()
    assert not problems
