"""The exercises of the orientation: nothing is graded, everything shows how the later lessons work."""

from labkit.lesson.exercises import Exercises, reject, require

exercises = Exercises()

exercises.answer(
    "numbers",
    wrong={
        "10": "Ten are the coefficients, one for each measurement. What does the model add to them?",
        "2": "Two names stand in the file. How many numbers stand behind `coefficients`?",
    },
    hints={"2": ["len(numbers['coefficients']) counts one part of it.", "The intercept is a number, too."]},
)


@exercises.behaviour(
    "greet",
    wrong={
        """%%function greet
def handler(event, context):
    return f"Hello, {event['name']}!"
""": "no-name",
        """%%function greet
def handler(event, context):
    print(f"Hello, {event.get('name', 'stranger')}!")
""": "prints",
        """%%function greet
def handler(event, context):
    return "Hello, stranger!"
""": "same-for-all",
    },
    hints={
        "no-name": [
            "`event` is a dictionary. What does `event['name']` do if there is no such key?",
            "`event.get('name', 'stranger')` gives the second if there is no first.",
        ],
        "prints": ["What a handler prints goes to its log. What does a caller get?"],
    },
)
def check_greet(greet):
    """With a name and without: both are calls of the deployed function."""
    ada, nobody = greet.invoke({"name": "Ada"}), greet.invoke({})
    if nobody.error is not None:
        reject("no-name", f"Without a name it fails: {nobody.error.error_type}: {nobody.error.message}.")
    require(ada.payload is not None, "prints", "The caller gets nothing (null): a handler answers by `return`.")
    require(ada.payload != nobody.payload, "same-for-all", f"Ada is answered {ada.payload!r}; her name is missing.")
    found = [ada.payload, nobody.payload]
    wanted = ["Hello, Ada!", "Hello, stranger!"]
    require(found == wanted, "other-words", f"Found {found}, expected {wanted}: character by character.")


exercises.explain("why", words=8)
