"""Fits the model and leaves both pickles in the working folder. Run once, in a process of its own."""

import pickle
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression

random = np.random.default_rng(0)
rows = random.normal(size=(200, 8))
model = LinearRegression().fit(rows, rows @ np.arange(1.0, 9.0) + 3 + random.normal(size=200))
Path("model.pickle").write_bytes(pickle.dumps(model))
Path("coefficients.pickle").write_bytes(pickle.dumps((model.coef_, model.intercept_)))
