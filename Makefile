PYTHON ?= python3

.PHONY: demo test clean

demo: ## scaffold the example API, install it, start it, and send it requests
	@$(PYTHON) .ci/environment.py requirements.txt
	@.venv/bin/python examples/demo.py

test: ## everything: set up what the tests need, run them
	@$(PYTHON) .ci/environment.py requirements.txt tests/requirements.txt
	@.venv/bin/python -m pytest -n 2

clean: ## remove what demo and test have set up
	rm -rf .venv .cache .pytest_cache .hypothesis
