"""The same model as scikit-learn pickles it: loads numpy, scipy and scikit-learn, predicts one row."""

import pickle

import sklearn.linear_model  # noqa: F401 - what the pickle needs, named where a reader sees it

with open("model.pickle", "rb") as file:
    model = pickle.load(file)


def handler(event, context):
    return {"price": round(float(model.predict([event["row"]])[0]), 6)}
