from pysh.runtime.helpers.about import of_node, of_process


def test_a_node_is_told_by_what_its_hub_says() -> None:
    told = {
        "name": "n1@here", "up": 61, "pid": 5, "python": "3.11.7", "jobs": 2, "waiting": 1,
        "links": ["node", "evaluator"],
        "runners": {"evaluator": 6, "fork_server": None, "workers": [7, 0]},
        "memory": {"hub": 24 * 1024**2, "evaluator": 1024**2, "workers": 2048},
    }  # fmt: skip
    assert dict(of_node(told)) == {
        "node": "n1@here, up 1 min 1 s",
        "hub": "pid 5, Python 3.11.7, 24.0 MiB",
        "shell": "pid 6, 1.0 MiB",
        "workers": "1, 2.0 KiB",
        "tasks": "2 run, wait or are kept; 1 wait for a worker",
        "nodes": "1 connected",
    }


def test_this_process_is_told_of() -> None:
    assert set(dict(of_process())) == {"this", "python", "system", "threads"}
