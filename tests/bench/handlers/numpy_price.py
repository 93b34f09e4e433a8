"""A linear model as two arrays: loads numpy, predicts one row."""

import pickle

import numpy as np

with open("coefficients.pickle", "rb") as file:
    coefficients, intercept = pickle.load(file)


def handler(event, context):
    return {"price": round(float(np.asarray(event["row"]) @ coefficients + intercept), 6)}
