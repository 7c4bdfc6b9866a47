"""The core that runs user code anywhere: fork server, evaluator, worker, and their hub socket."""
