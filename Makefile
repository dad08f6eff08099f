PYTHON ?= python3

.PHONY: demo test clean

demo: ## the whole chain on the bookshop: decide, scaffold, serve, load test, change the database, write the documents
	@$(PYTHON) .ci/environment.py requirements.txt examples/requirements.txt
	@.venv/bin/python examples/demo.py

test: ## everything: set up what the tests need, run them
	@$(PYTHON) .ci/environment.py requirements.txt tests/requirements.txt
	@.venv/bin/python -m pytest -n 2

clean: ## remove what demo and test have set up
	rm -rf .venv .cache .pytest_cache .hypothesis
