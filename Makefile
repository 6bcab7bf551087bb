# make demo: the main job on a built-in phantom. make test: the tests. Each sets itself up.
# make docs: the pages. make lists: the extension's lists of files. make lock: constraints.txt.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo
INSTALLED = $(VENV)/.installed

# each process that a test starts would compile the library anew
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test docs lists lock clean

demo: $(INSTALLED)
	$(VENV)/bin/lngen demo -o $(OUT)

test: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

lock: $(INSTALLED)
	$(VENV)/bin/python Testing/lock.py

lists: $(INSTALLED)
	$(VENV)/bin/python Testing/extension/refresh.py $(if $(BASE),--base $(BASE))
	$(VENV)/bin/python Testing/layers.py

# -qq: setuptools warns of each editable install
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt torch
	$(VENV)/bin/python -m pip install -qq -c constraints.txt -e ".[train,evaluate,serve,cluster,dicom,slicer,docs,test]"
	touch $@

clean:
	rm -rf $(VENV) $(OUT)
