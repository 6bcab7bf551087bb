# make demo: the main job on a built-in phantom. make test: the tests. Each sets itself up.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo
INSTALLED = $(VENV)/.installed

.PHONY: demo test lists clean

demo: $(INSTALLED)
	$(VENV)/bin/lngen demo -o $(OUT)

test: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest

lists: $(INSTALLED)
	$(VENV)/bin/python Testing/extension/refresh.py $(if $(BASE),--base $(BASE))

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e ".[train,evaluate,serve,cluster,slicer,test]"
	touch $@

clean:
	rm -rf $(VENV) $(OUT)
