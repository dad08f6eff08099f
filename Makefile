PYTHON ?= python3

.PHONY: demo test pictures clean

demo: ## the whole chain on the bookshop: decide, scaffold, serve, load test, change the database, write the documents
	@$(PYTHON) .ci/environment.py requirements.txt examples/requirements.txt
	@.venv/bin/python examples/demo.py

test: ## everything: set up what the tests need, run them
	@$(PYTHON) .ci/environment.py requirements.txt tests/requirements.txt
	@.venv/bin/python -m pytest -n 2

pictures: ## those of README.md, from a run of the demo; needs Chromium
	@$(PYTHON) .ci/environment.py requirements.txt examples/requirements.txt
	@.venv/bin/python -m pip install --quiet Pillow==12.0.0
	@.venv/bin/python examples/demo.py > .cache/demo.txt && mv .cache/demo.txt generated/demo/run.txt
	@.venv/bin/python .ci/pictures.py

clean: ## remove what demo and test have set up
	rm -rf .venv .cache .pytest_cache .hypothesis
