"""The exercises of lesson 08: convolution, pooling, detection, an image function, a residual block."""

import numpy as np

from labkit.lesson.exercises import Exercises, names_used, reject, require
from labkit.numerics import layers

exercises = Exercises()

exercises.answer(
    "by-hand",
    wrong={
        "-1": "-1 comes out if the kernel is flipped. A network does not flip: the upper left weight meets the upper "
        "left pixel of the window.",
        "1": "1 is the sum for row 0, column 1: you counted from one. The first row and the first column are number 0.",
        "2": "2 is the sum for row 2, column 1. The first index is the row, the second the column.",
        "3": "3 is only the first of the four products. Multiply all four pairs, then add.",
    },
    hints={
        "-1": ["Write the window as it is: 3, 1 above 1, 0.", "3·1 + 1·0 + 1·2 + 0·(-1) is ...?"],
        "1": ["Row 1 is the second row: 0 1 3 1.", "From column 2 on, rows 1 and 2 hold 3, 1 above 1, 0."],
        "2": ["Go down 1 row, then right 2 columns.", "The window holds 3, 1 above 1, 0."],
        "3": ["Four products: 3·1, 1·0, 1·2, 0·(-1).", "Their sum is the answer."],
        "wrong": ["The window holds rows 1 and 2, columns 2 and 3.", "Which four products are there?"],
    },
)

exercises.answer(
    "weights",
    wrong={
        "216": "216 are the weights alone. Each of the 8 kernels has a bias, too.",
        "80": "80 is right for a grey image. With colour a kernel has 3 × 3 weights for *each* of three channels.",
        "240": "240 counts a bias for every channel. One kernel makes one map, so it has one bias.",
        "28": "28 is one such kernel. There are 8 of them.",
    },
    hints={
        "216": ["What stands in front of the sum in the formula of section 1?", "One bias for each of the 8 maps."],
        "80": ["How many numbers does one 3 × 3 window of a colour image hold?", "27 weights and a bias, 8 times."],
        "240": ["The three channels are added up into one number; the bias is added once.", "8 · (27 + 1)"],
        "28": ["How many maps come out of the layer?"],
        "wrong": ["Count one kernel first: 3 channels of 3 × 3 weights, and a bias.", "Then times 8."],
    },
)

exercises.explain("fewer", words=8)

POOL = """def max_pool(x, size):
    n, channels, h, w = x.shape
    pooled = np.empty((n, channels, h // size, w // size))
    for i in range(h // size):
        for j in range(w // size):
            part = x[:, :, i * size : (i + 1) * size, j * size : (j + 1) * size]
            {value}
            {place}
    return pooled
"""
KEEP = "pooled[:, :, i, j] = value"


@exercises.differential(
    "pool",
    wrong={
        POOL.format(value="value = part.mean(axis=(2, 3))", place=KEEP): "mean",
        POOL.format(value="value = part.max()", place=KEEP): "mixes",
        POOL.format(value="value = part.max(axis=(2, 3))", place="pooled[:, :, j, i] = value"): "transposed",
        POOL.format(value="value = np.abs(part).max(axis=(2, 3))", place=KEEP): "size-only",
        "def max_pool(x, size):\n    return layers.max_pool(x, size)": "library",
    },
    hints={
        "mean": [
            "Section 3 says what max-pooling takes of each block.",
            "An array has a method for it: .max(axis=...).",
        ],
        "mixes": [
            "`part` has four axes: images, channels, rows, columns. Which two belong to the block?",
            "part.max(axis=(2, 3)) leaves one number for each image and channel.",
        ],
        "transposed": ["i counts rows. Which axis of `pooled` are its rows?", "The order is (image, channel, i, j)."],
        "library": ["The four steps above the blanks are all you need."],
        "size-only": ["-5 is smaller than 1, although it is further from 0.", "Take the maximum of the numbers."],
    },
)
def check_pool(max_pool):
    """Images of several shapes, with negative numbers."""
    _own(max_pool)
    for seed, (shape, size) in enumerate([((2, 3, 4, 4), 2), ((1, 2, 6, 9), 3), ((3, 1, 2, 8), 2)]):
        x = np.random.default_rng(seed).normal(size=shape)
        kept = x.copy()
        found, expected = np.asarray(max_pool(x, size)), layers.max_pool(x, size)
        _unchanged(x, kept, "x")
        _same_shape(found, expected)
        if np.allclose(found, expected, rtol=1e-12, atol=0):
            continue
        blocks = x.reshape(*shape[:2], shape[2] // size, size, shape[3] // size, size)
        if np.allclose(found, blocks.mean(axis=(3, 5))):
            reject("mean", "Found the mean of each block, expected its largest number.")
        if np.allclose(found, np.abs(blocks).max(axis=(3, 5))):
            reject("size-only", "Signs are lost: the block's largest number is asked, not the one furthest from 0.")
        if np.allclose(found, blocks.max(axis=(0, 1, 3, 5))):
            reject(
                "mixes", "All images and channels got the same number: the maximum is taken over all of them at once."
            )
        if shape[2] == shape[3] and np.allclose(found, expected.swapaxes(2, 3)):
            reject("transposed", "The right numbers in the wrong places: rows and columns are exchanged.")
        at = _first_difference(found, expected)
        reject("differs", f"At index {at}: found {found[at]:.4g}, expected {expected[at]:.4g} (x of shape {shape}).")


BACKWARD = """def max_pool_backward(x, size, gradient):
    by_x = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(gradient.shape):
        part = x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size]
        row, column = np.unravel_index(part.argmax(), part.shape)
        {place}
    return by_x
"""


@exercises.differential(
    "pool-backward",
    wrong={
        BACKWARD.format(place="by_x[n, c, row, column] = gradient[n, c, i, j]"): "offset",
        BACKWARD.format(place="by_x[n, c, i * size + row, j * size + column] = 1"): "ones",
        BACKWARD.format(
            place="by_x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size] = gradient[n, c, i, j]"
        ): "spread",
        BACKWARD.format(
            place="by_x[n, c, i * size : (i + 1) * size, j * size : (j + 1) * size] = "
            "(part == part.max()) * gradient[n, c, i, j]"
        ): "ties",
        BACKWARD.format(place="by_x[n, c, i * size + row, j * size + column] = part.max()"): "values",
        "def max_pool_backward(x, size, gradient):\n    return layers.max_pool_backward(x, size, gradient)": "library",
    },
    hints={
        "offset": [
            "row and column count inside the block. Where does block (i, j) begin in x?",
            "It begins in row i * size and column j * size: add them.",
        ],
        "ones": [
            "The winner's output moves as much as the winner. How much does the loss move with that output?",
            "gradient[n, c, i, j] says it: put that number in place of the 1.",
        ],
        "spread": [
            "If a loser of the block changes a little, does the output change?",
            "Only the winner's place gets the gradient; all others stay 0.",
        ],
        "ties": [
            "Try x = np.ones((1, 1, 2, 2)): how many winners does your block have?",
            "part.argmax() always names one: the first.",
        ],
        "differs": [
            "Try x = np.arange(16.0).reshape(1, 1, 4, 4), size 2 and a gradient of 1, 2, 3, 4: print what comes.",
            "5, 7, 13 and 15 win; their places get 1, 2, 3, 4. Is `part` the block of (i, j)?",
        ],
        "values": ["The gradient does not say how large the winner is.", "Put gradient[n, c, i, j] there."],
    },
)
def check_pool_backward(max_pool_backward):
    """Against the reference; then with equal numbers in a block."""
    _own(max_pool_backward)
    rng = np.random.default_rng(7)
    x, gradient = rng.normal(size=(2, 3, 4, 6)), rng.normal(size=(2, 3, 2, 3))
    kept, kept_gradient = x.copy(), gradient.copy()
    found, expected = np.asarray(max_pool_backward(x, 2, gradient)), layers.max_pool_backward(x, 2, gradient)
    _unchanged(x, kept, "x")
    _unchanged(gradient, kept_gradient, "gradient")
    _same_shape(found, expected)
    if not np.allclose(found, expected, rtol=1e-12, atol=0):
        _say_how_backward_differs(found, expected, x, gradient)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, gradient = rng.integers(0, 2, size=(2, 1, 6, 3)).astype(float), rng.normal(size=(2, 1, 2, 1))
        found, expected = np.asarray(max_pool_backward(x, 3, gradient)), layers.max_pool_backward(x, 3, gradient)
        if (np.count_nonzero(found, axis=(2, 3)) > np.count_nonzero(expected, axis=(2, 3))).any():
            reject("ties", "In a block with two equally large numbers both get the gradient. Expected: the first only.")
        require(
            np.allclose(found, expected), "differs", "With size 3 it differs from the reference. Is a 2 fixed in it?"
        )


def _say_how_backward_differs(found, expected, x, gradient):
    spread = np.repeat(np.repeat(gradient, 2, axis=2), 2, axis=3)
    if np.allclose(found, spread) or np.allclose(found, spread / 4):
        reject("spread", "Every pixel of a block got a share of the gradient. Expected: only the winner gets any.")
    if np.array_equal(found, (expected != 0).astype(float)):
        reject("ones", "The right places, but each holds 1. Expected there: the gradient of its output.")
    if np.allclose(found, np.where(expected != 0, x, 0)):
        reject("values", "The right places, but they hold the winners themselves. Expected: the gradients.")
    if not found[:, :, 2:].any() and not found[:, :, :, 2:].any():
        reject("offset", "All gradients landed in the first block, at the upper left. Each belongs into its own block.")
    at = _first_difference(found, expected)
    reject("differs", f"At index {at}: found {found[at]:.4g}, expected {expected[at]:.4g}.")


REPAIRED = """def repaired_backward(x, size, stride, gradient):
    by_x = np.zeros(x.shape)
    {counts}
    for i in range(rows):
        for j in range(columns):
            here = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            winner = x[here] == x[here].max(axis=(2, 3), keepdims=True)
            by_x[here] {adds} winner * gradient[:, :, i, j, None, None]
    return by_x
"""
ROWS, COLUMNS = "rows = (x.shape[2] - size) // stride", "columns = (x.shape[3] - size) // stride"


@exercises.property(
    "repair",
    wrong={
        REPAIRED.format(counts=f"{ROWS}; {COLUMNS}", adds="+="): "last-windows",
        REPAIRED.format(counts=f"{ROWS} + 1; {COLUMNS}", adds="+="): "last-column",
        REPAIRED.format(counts=f"{ROWS}; {COLUMNS} + 1", adds="+="): "last-row",
        REPAIRED.format(counts=f"{ROWS} + 1; {COLUMNS} + 1", adds="="): "overwritten",
        REPAIRED.format(counts="rows = columns = 3", adds="+="): "fixed-count",
    },
    hints={
        "last-windows": [
            "A 7 × 7 image, windows of 3, stride 2: at which rows do windows begin? Count them.",
            "They begin at 0, 2 and 4: three. What does (7 - 3) // 2 give?",
            "Windows = (side - size) // stride + 1.",
        ],
        "last-column": ["Rows are right now. `columns` is counted in the same way."],
        "last-row": ["Columns are right now. `rows` is counted in the same way."],
        "overwritten": [
            "Windows of 3 with stride 2 overlap. What happens to a pixel that two windows see?",
            "Its two gradients are added: `+=`.",
        ],
        "fixed-count": ["3 is right for 7 × 7. Compute it from x.shape, size and stride."],
        "raises": ["How many windows are there? gradient.shape tells; is one of your counts larger?"],
    },
)
def check_repair(repaired_backward):
    """A gradient check on several shapes, and a name for each way to fail it."""
    cases = [
        ((1, 1, 7, 7), 3, 2),
        ((2, 1, 9, 7), 3, 2),
        ((1, 2, 6, 9), 3, 2),
        ((1, 1, 6, 4), 2, 2),
        ((1, 1, 5, 6), 3, 1),
    ]
    for shape, size, stride in cases:
        rng = np.random.default_rng(sum(shape))
        x = rng.normal(size=shape)
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
        gradient = rng.normal(size=windows.shape[:4])
        kept = x.copy()
        found = np.asarray(repaired_backward(x, size, stride, gradient))
        _unchanged(x, kept, "x")
        _same_shape(found, x)
        _gradient_of_overlap(found, x, gradient, size, stride)


def _gradient_of_overlap(found, x, gradient, size, stride):
    def overlap_loss(at):
        view = np.lib.stride_tricks.sliding_window_view(at, (size, size), axis=(2, 3))
        return (gradient * view[:, :, ::stride, ::stride].max(axis=(4, 5))).sum()

    error = layers.checked_gradient(overlap_loss, x, found)
    if error < 1e-6:
        return
    rows, columns = gradient.shape[2:]
    told = {
        (rows - 1, columns - 1): ("last-windows", "the last row and the last column of windows send nothing back"),
        (rows, columns - 1): ("last-column", "the last column of windows sends nothing back"),
        (rows - 1, columns): ("last-row", "the last row of windows sends nothing back"),
    }
    at = f"x of {x.shape[2]} × {x.shape[3]}, size {size}, stride {stride}: relative error {error:.1g}"
    if (x.shape[2], x.shape[3]) != (7, 7):
        reject("fixed-count", f"{at}. 7 × 7 was right: is something of it fixed in the function?")
    for (i, j), (diagnosis, message) in told.items():
        if np.allclose(found, _overlap_backward(x, gradient[:, :, :i, :j], size, stride)):
            reject(diagnosis, f"{at}; {message}.")
    if np.allclose(found, _overlap_backward(x, gradient, size, stride, overwrite=True)):
        reject("overwritten", f"{at}; a pixel that two windows see keeps the gradient of one of them only.")
    reject("differs", f"{at}; expected below 1e-6.")


def _overlap_backward(x, gradient, size, stride, *, overwrite=False):
    by_x = np.zeros(x.shape)
    for i, j in np.ndindex(gradient.shape[2:]):
        here = np.s_[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        sent = (x[here] == x[here].max(axis=(2, 3), keepdims=True)) * gradient[:, :, i, j, None, None]
        by_x[here] = sent if overwrite else by_x[here] + sent
    return by_x


IOU = """def iou(a, b):
    height = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    {width}
    both = height * width
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return {answer}
"""
WIDTH = "width = max(0, min(a[3], b[3]) - max(a[1], b[1]))"


@exercises.differential(
    "iou",
    wrong={
        IOU.format(
            width="width = min(a[3], b[3]) - max(a[1], b[1])", answer="both / (area_a + area_b - both)"
        ): "negative",
        IOU.format(width=WIDTH, answer="both / (area_a + area_b)"): "twice",
        IOU.format(width=WIDTH, answer="both / area_a"): "one-sided",
        IOU.format(width=WIDTH, answer="both / (128 - both)"): "fixed-size",
        IOU.format(
            width="width = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)", answer="both / (area_a + area_b - both)"
        ): "one-more",
    },
    hints={
        "negative": [
            "Two boxes side by side: what is min(right) - max(left)?",
            "It is below 0 if they do not touch. Look at how `height` avoids that.",
        ],
        "twice": ["area_a + area_b counts the intersection twice.", "Subtract it once: that is the union."],
        "one-sided": [
            "A small box inside a large one: is the answer the same if you exchange them?",
            "Divide by the union.",
        ],
        "fixed-size": ["A box need not be 8 × 8.", "Compute each area from its own four numbers."],
        "one-more": ["Right and bottom are one *past* the last pixel, so right - left is the width already."],
        "differs": [
            "Three numbers are needed: the intersection, and the areas of both boxes.",
            "Height of a box: bottom - top. Width: right - left. Area: their product.",
            "The union is area_a + area_b - intersection.",
        ],
    },
)
def check_iou(iou):
    """Against counting pixels."""
    boxes = [((2, 3, 10, 11), (6, 1, 14, 9)), ((0, 0, 8, 8), (0, 0, 8, 8)), ((5, 5, 13, 13), (5, 16, 13, 24))]
    rng = np.random.default_rng(4)
    for _ in range(40):
        top, left = rng.integers(0, 20, size=(2, 2)).tolist()
        height, width = rng.integers(1, 15, size=(2, 2)).tolist()
        boxes.append(tuple((t, x, t + h, x + w) for t, x, h, w in zip(top, left, height, width, strict=True)))
    for a, b in boxes:
        found = iou(a, b)
        if np.ndim(found) or isinstance(found, bool | str):
            reject("form", f"Found {found!r}; one number from 0 to 1 is wanted.")
        both, either = _counted(a, b)
        if abs(found - both / either) < 1e-9:
            continue
        at = f"a = {a}, b = {b}: found {found:.4g}, expected {both / either:.4g}"
        area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
        if found < 0:
            reject("negative", f"{at}. The boxes do not overlap, and no area is below 0.")
        if both and abs(found - both / (area_a + area_b)) < 1e-9:
            reject("twice", f"{at}. The union is smaller than both areas together.")
        if both and any(abs(found - both / area) < 1e-9 for area in (area_a, area_b)):
            reject("one-sided", f"{at}. You divide by one of the boxes; the union is wanted.")
        if both and abs(found - both / (128 - both)) < 1e-9:
            reject("fixed-size", f"{at}. 8 × 8 boxes are right, others are not.")
        if abs(found - _counted_with_edges(a, b) / (area_a + area_b - _counted_with_edges(a, b))) < 1e-9:
            reject("one-more", f"{at}. Your intersection has a row or a column too many.")
        reject("differs", f"{at}. Count the pixels of the intersection and of the union on paper.")


def _counted_with_edges(a, b):
    """The intersection, if a width is counted with both of its ends; `height` is given in the cell."""
    height = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    return height * max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)


def _counted(a, b):
    painted = np.zeros((2, 40, 40), bool)
    for layer, (top, left, bottom, right) in enumerate((a, b)):
        painted[layer, top:bottom, left:right] = True
    return int((painted[0] & painted[1]).sum()), int((painted[0] | painted[1]).sum())


DETECT = """def detect(chances, threshold=0.9, overlap=0.3):
    surest = chances[:, :, :10].max(axis=2)
    found = []
    for place in {places}:
        i, j = map(int, np.unravel_index(place, surest.shape))
        if surest[i, j] < {least}:
            {then}
        box = (i, j, i + 8, j + 8)
        if {keep}:
            found.append((i, j, int(chances[i, j{classes}].argmax())))
    return found
"""
SORTED = "np.argsort(-surest, axis=None, kind='stable')"
ALONE = "all(iou(box, (a, b, a + 8, b + 8)) <= overlap for a, b, _ in found)"


def _detector(places=SORTED, least="threshold", then="break", keep=ALONE, classes=", :10"):
    return DETECT.format(places=places, least=least, then=then, keep=keep, classes=classes)


@exercises.property(
    "detect",
    wrong={
        _detector(keep="True"): "duplicates",
        _detector(places="range(surest.size)", then="continue"): "order",
        _detector(places="np.argsort(surest, axis=None)", then="continue"): "backwards",
        _detector(least="0.9"): "fixed-threshold",
        _detector(keep=ALONE.replace("<=", "<")): "too-strict",
        _detector(keep=ALONE.replace("overlap", "0.3")): "fixed-overlap",
        _detector().replace("surest = chances[:, :, :10]", "surest = chances").replace(", :10]", "]"): "nothing",
    },
    hints={
        "duplicates": [
            "Before you append: does this window overlap one that is in `found` already?",
            "all(iou(box, (a, b, a + 8, b + 8)) <= overlap for a, b, _ in found)",
        ],
        "order": [
            "In which order do you visit the windows? Which should come first?",
            "np.argsort(-surest, axis=None) gives places from the surest on; np.unravel_index makes rows and columns.",
        ],
        "backwards": ["np.argsort sorts upwards.", "Sort -surest instead."],
        "fixed-threshold": ["Use the argument `threshold`, not its usual value."],
        "fixed-overlap": ["Use the argument `overlap`, not its usual value."],
        "missing": [
            "`order` holds numbers of places, counted row by row. How many columns has a row?",
            "i, j = np.unravel_index(place, surest.shape) works for every shape.",
        ],
        "too-strict": [
            "Windows that do not touch have IoU 0. What does your comparison say with overlap=0?",
            "Use <=.",
        ],
        "nothing": ["The last class is no digit: leave it out with [:, :, :10]."],
        "raises": ["Does `%check iou` pass? `detect` calls it.", "surest has two axes: one index each."],
    },
)
def check_detect(detect, iou):
    """On made-up chances: six peaks of different heights, on canvases of several shapes."""
    require(
        abs(iou((0, 0, 8, 8), (0, 4, 8, 12)) - 1 / 3) < 1e-9, "iou-first", "`iou` is not right yet: %check iou first."
    )
    for seed, threshold, overlap in ((60, 0.9, 0.3), (61, 0.9, 0.3), (62, 0.5, 0.3), (63, 0.7, 0.0), (64, 0.5, 0.5)):
        chances = _scene(seed, (33, 33) if seed % 2 else (27, 40))
        kept = chances.copy()
        found = detect(chances, threshold=threshold, overlap=overlap)
        _unchanged(chances, kept, "chances")
        _judge_finds(_finds(found), chances, threshold, overlap)


def _scene(seed, shape):
    """Chances as a detector gives them: (rows, columns, 11), high at six places and around them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    chances, peaks = np.zeros((*shape, 11)), []
    while len(peaks) < 6:
        i, j = (int(rng.integers(side)) for side in shape)
        if all(max(abs(i - a), abs(j - b)) >= 9 for a, b in peaks):
            peaks.append((i, j))
    for (i, j), height in zip(peaks, (0.99, 0.98, 0.96, 0.95, 0.8, 0.6), strict=True):
        hill = height * np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / 20)
        digit = rng.integers(10)
        chances[:, :, digit] = np.maximum(chances[:, :, digit], hill)
    chances[:, :, :10] += 1e-6 * rng.random((*shape, 10))
    chances[:, :, 10] = np.maximum(0, 1 - chances[:, :, :10].sum(axis=2))
    return chances / chances.sum(axis=2, keepdims=True)


def _finds(found):
    if found is None:
        return []
    if not isinstance(found, list) or any(len(find) != 3 for find in found):
        reject("form", f"Found {str(found)[:60]}; a list of (row, column, digit) is wanted.")
    return [tuple(int(part) for part in find) for find in found]


def _judge_finds(found, chances, threshold, overlap):
    surest = chances[:, :, :10].max(axis=2)
    expected = _suppressed(chances, threshold, overlap)
    if set(found) == set(expected) and len(found) == len(expected):
        return
    require(
        all(find[2] != 10 for find in found), "nothing", "Class 10 is among the finds: that is `nothing`, not a digit."
    )
    if overlap != 0.3 and set(found) == set(_suppressed(chances, threshold, 0.3)):
        reject("fixed-overlap", f"With overlap={overlap} your function does what it does with 0.3.")
    missing = [surest[find[:2]] for find in expected if find not in found]
    subset = missing and set(found) < set(expected)
    if any(surest[find[:2]] < threshold for find in found) or (subset and max(missing) < 0.9):
        said = f"With threshold={threshold}: {len(found)} finds, expected {len(expected)}."
        reject("fixed-threshold", f"{said} It does not stop at the threshold that it is given.")
    if subset and overlap == 0:
        said = f"With overlap=0: {len(found)} finds, expected {len(expected)}."
        reject("too-strict", f"{said} A window is suppressed only if its IoU with a kept one is *more* than overlap.")
    if not found or subset:
        said = f"{len(found)} finds, expected {len(expected)} (chances of shape {chances.shape})."
        reject("missing", f"{said} Do you visit all places, and find their row and column from this shape?")
    if any(_window_iou(a, b) > overlap for n, a in enumerate(found) for b in found[:n]):
        said = f"{len(found)} finds, expected {len(expected)}: finds overlap by more than {overlap}."
        reject("duplicates", f"{said} One digit must not be found twice.")
    downwards = np.argsort(-surest, axis=None, kind="stable")
    if set(found) == set(_suppressed(chances, threshold, overlap, downwards[::-1])):
        reject("backwards", "The least sure windows win, the surest are suppressed: the order is upside down.")
    if set(found) == set(_suppressed(chances, threshold, overlap, range(surest.size))):
        reject("order", "A less sure window suppresses a surer one next to it: yours go from top to bottom.")
    reject("differs", f"Found {found}, expected {expected} (threshold {threshold}, overlap {overlap}).")


def _suppressed(chances, threshold, overlap, places=None):
    surest, found = chances[:, :, :10].max(axis=2), []
    for place in np.argsort(-surest, axis=None, kind="stable") if places is None else places:
        i, j = map(int, np.unravel_index(place, surest.shape))
        if surest[i, j] >= threshold and all(_window_iou((i, j), find) <= overlap for find in found):
            found.append((i, j, int(chances[i, j, :10].argmax())))
    return found


def _window_iou(a, b):
    both = max(0, 8 - abs(a[0] - b[0])) * max(0, 8 - abs(a[1] - b[1]))
    return both / (128 - both)


GUARD = """%%function recognise_safely --include model.json --include model.py
import numpy as np
from model import chances

WANTED = 'Send {{"pixels": [...]}}: 1 to 100 images, each 8 rows of 8 numbers from 0 to 1.'

def handler(event, context):
    try:
        x = np.array(event["pixels"], dtype=float)
    except (KeyError, TypeError, ValueError):
        return {{"statusCode": 400, "message": WANTED}}
    if x.ndim != 3 or x.shape[1:] != (8, 8) or not 1 <= len(x) <= 100:
        return {{"statusCode": 400, "message": WANTED}}
    if {trouble}:
        {refuse}
    shares = chances(x)
    names = [None if best == 10 else int(best) for best in shares.argmax(axis=1)]
    sure = shares.max(axis=1)
    review = {review}
    return {{"statusCode": 200, "digits": names, "sure": sure.tolist(), "review": review}}
"""
REFUSE = 'return {"statusCode": 400, "message": f"from {x.min():g} to {x.max():g}; " + WANTED}'
OUTSIDE = "not ((x >= 0) & (x <= 1)).all()"
UNSURE = "(sure < 0.9).tolist()"


def _guard(trouble=OUTSIDE, refuse=REFUSE, review=UNSURE):
    return GUARD.format(trouble=trouble, refuse=refuse, review=review)


@exercises.behaviour(
    "guard",
    wrong={
        _guard(trouble="x.max() > 1"): "negative",
        _guard(trouble="x.min() < 0 or x.max() > 1"): "nan",
        _guard(refuse='raise ValueError("pixels must be from 0 to 1")'): "unhandled",
        _guard(trouble="(x < 0).any() or (x >= 1).any()"): "refuses-good",
        _guard(review="(sure >= 0.9).tolist()"): "reversed",
        _guard(review="bool((sure < 0.9).any())"): "not-a-list",
        _guard(trouble="False", refuse="pass"): "too-large",
        _guard(refuse='return {"statusCode": 400, "message": "bad input"}'): "message",
    },
    hints={
        "negative": ["Ink has two limits: 0 and 1. You check one of them."],
        "nan": [
            "Is NaN < 0? Is NaN > 1? Try both in a cell.",
            "Every comparison with NaN is false. So do not ask what is bad, ask that all is good.",
            "not ((x >= 0) & (x <= 1)).all()",
        ],
        "unhandled": ["A `raise` ends the handler.", 'Return {"statusCode": 400, "message": ...} instead.'],
        "refuses-good": ["A pixel may be 1: black.", "Allow 0 and 1 themselves: <= and >=."],
        "reversed": ["true means: a human should look.", "That is where sure is *below* 0.9."],
        "not-a-list": ["The batch has many images; which of them should a human look at?", "(sure < 0.9).tolist()"],
        "too-large": ["What does the handler do with a pixel of 16?", "Look at x.min() and x.max() before `chances`."],
        "message": [
            "What would you need to know, if you had sent 0 to 16?",
            "Say what came, and that 0 to 1 is wanted.",
        ],
        "fails": [
            "%invoke recognise_safely with one image shows the error.",
            "JSON knows no numpy types: use .tolist().",
        ],
    },
)
def check_guard(recognise, recognise_safely, images):
    """Good input first, then what got through before."""
    batch = images[300:400]
    answer = _answered(recognise_safely, batch, "fails", "100 good images")
    if answer.get("statusCode") != 200:
        reject("refuses-good", f"100 good images (ink from 0 to 1) are refused: {str(answer)[:90]}.")
    before = recognise.invoke({"pixels": batch}).payload
    require(answer.get("digits") == before["digits"], "changed", "Good images get other digits than from `recognise`.")
    _judge_review(answer, before["sure"])
    lies = {
        "too-large": (16 * batch[:3], "Numbers from 0 to 16"),
        "negative": (-batch[:3], "Negative numbers"),
        "nan": ([[["NaN"] * 8] * 8], "The text NaN as a pixel"),
        "huge": (np.full((1, 8, 8), 1e308), "1e308"),
        "one-of-many": (np.concatenate([batch[:50], 255 * batch[:1]]), "One bad image among 50 good ones"),
    }
    for diagnosis, (pixels, what) in lies.items():
        refused = _answered(recognise_safely, pixels, "unhandled", what)
        found = refused.get("statusCode")
        require(found == 400, diagnosis, f"{what}: found status {found}, expected 400.")
    said = str(_answered(recognise_safely, 16 * batch[:3], "unhandled", "0 to 16").get("message", ""))
    helpful = "16" in said and "0" in said and "1" in said.replace("16", "")
    require(
        helpful, "message", f"The caller who sent 0 to 16 reads {said!r}: say what range came, and what is expected."
    )
    for event in ({}, {"pixels": "ink"}, {"pixels": []}, {"pixels": [[0] * 8] * 8}):
        outcome = recognise_safely.invoke(event)
        held = outcome.error is None and outcome.payload.get("statusCode") == 400
        require(held, "lost-checks", f"{event} was refused with 400 by `recognise`; now: {outcome!r}."[:160])


def _answered(function, pixels, diagnosis, what):
    outcome = function.invoke({"pixels": pixels})
    if outcome.error is not None:
        error = outcome.error
        reject(
            diagnosis, f"{what}: the handler fails with {error.error_type}: {error.message}; return a status instead."
        )
    if not isinstance(outcome.payload, dict):
        reject(diagnosis, f"{what}: found {outcome.payload!r}; a dictionary with statusCode is expected.")
    return outcome.payload


def _judge_review(answer, sure):
    review, expected = answer.get("review"), [share < 0.9 for share in sure]
    if not isinstance(review, list) or len(review) != len(sure):
        reject(
            "not-a-list", f'"review" is {str(review)[:40]}; a list with true or false for each of the images is wanted.'
        )
    if review == [not wanted for wanted in expected]:
        reject("reversed", '"review" is true for the sure ones: it is upside down.')
    wrong = sum(a is not b for a, b in zip(review, expected, strict=True))
    require(wrong == 0, "review", f'"review" is wrong for {wrong} of {len(sure)} images; true is wanted below 0.9.')


RESIDUAL = """def block_backward(W1, W2, h, g):
    slope = 1 - np.tanh(W1 @ h) ** 2
    {answer}
"""


@exercises.differential(
    "residual",
    wrong={
        RESIDUAL.format(answer="return 0.1 * W1.T @ (slope * (W2.T @ g))"): "no-skip",
        RESIDUAL.format(answer="return g + W1.T @ (slope * (W2.T @ g))"): "unscaled",
        RESIDUAL.format(answer="return g + 0.1 * W1 @ (slope * (W2 @ g))"): "not-transposed",
        RESIDUAL.format(answer="return g + 0.1 * W1.T @ (W2.T @ g)"): "no-slope",
        RESIDUAL.format(answer="g += 0.1 * W1.T @ (slope * (W2.T @ g))\n    return g"): "changes-g",
    },
    hints={
        "no-skip": [
            "h reaches h' by two paths: through the branch, and past it.",
            "The path past it has the derivative 1: g.",
        ],
        "unscaled": ["What stands in front of the branch in h' = h + 0.1 · ...?"],
        "not-transposed": [
            "Forwards W maps h to y = W h. Then dL/dh_j is the sum over i of (dL/dy_i) W_ij.",
            "That is W.T @ g.",
        ],
        "no-slope": ["tanh is between W1 and W2. What is its derivative?", "1 - tanh². It multiplies W2.T @ g."],
        "differs": [
            "Name the steps: y = W1 h, t = tanh(y), z = W2 t, h' = h + 0.1 z.",
            "Go back one step at a time: from z to t, from t to y, from y to h. Then add the other path.",
            "To t: W2.T @ g. To y: times 1 - t². To h: W1.T @ that.",
        ],
        "changes-g": ["`g += ...` writes into the caller's array.", "Write g + ... instead."],
    },
)
def check_residual(block, block_backward):
    """Against the complex step, which is right to rounding; first square, then not."""
    for seed, inner in enumerate((6, 6, 9, 4)):
        rng = np.random.default_rng(seed)
        w1, w2, h, g = (rng.normal(size=size) for size in ((inner, 6), (6, inner), 6, 6))
        expected = np.array([(g @ block(w1, w2, h + 1e-30j * unit)).imag / 1e-30 for unit in np.eye(6)])
        kept = g.copy()
        found = np.asarray(block_backward(w1, w2, h, g))
        if not np.array_equal(g, kept):
            reject("changes-g", "Your function changed `g`, which belongs to its caller.")
        _same_shape(found, expected)
        if np.allclose(found, expected, rtol=1e-10, atol=1e-12):
            continue
        branch = expected - g
        if np.allclose(found, branch):
            reject("no-skip", "Found the gradient through the branch only. Which path is missing?")
        if np.allclose(found, g + 10 * branch):
            reject("unscaled", "The part of the branch is ten times too large.")
        slope = 1 - np.tanh(w1 @ h) ** 2
        if np.allclose(found, g + 0.1 * w1.T @ (w2.T @ g)):
            reject("no-slope", "As if tanh were not there: its derivative is missing.")
        if inner == 6 and np.allclose(found, g + 0.1 * w1 @ (slope * (w2 @ g))):
            reject(
                "not-transposed",
                "The matrices stand as on the way forward. Backwards, sums run over their other index.",
            )
        error = np.abs(found - expected).max()
        reject(
            "differs",
            f"The largest difference to the complex step is {error:.2g}; the first entry: found "
            f"{found[0]:.4g}, expected {expected[0]:.4g}.",
        )


exercises.answer(
    "scaling",
    decimals=2,
    wrong={
        "3.50": "3.50 is (1.2 · 1.1 · 1.15)³. Width and resolution count squared.",
        "1.92": "1.92 is the factor for φ = 1.",
        "5.76": "5.76 is three times 1.92. The exponent is 3, not the factor.",
        "8": "8 = 2³ is the rule of thumb. 1.2 · 1.1² · 1.15² is a bit less than 2; compute it.",
    },
    hints={
        "3.50": ["An image with twice the side has how many pixels?", "(1.2 · 1.1² · 1.15²)³"],
        "1.92": ["Each of the three factors has the exponent φ."],
        "5.76": ["Work is proportional to (αβ²γ²) to the power φ."],
        "8": ["1.2 · 1.21 · 1.3225, to the third power."],
        "wrong": ["Depth counts once, width and resolution twice: α · β² · γ².", "Then to the power 3."],
    },
)

exercises.explain("announce", words=8)


# --- what the checks share ----------------------------------------------------------------------------------


def _own(function):
    library = sorted(name for name in names_used(function) if name.startswith("labkit.numerics.layers."))
    if library:
        reject("library", f"Your function calls {library[0]}. That is what it is compared with: write it yourself.")


def _unchanged(now, before, name):
    require(
        np.array_equal(now, before), "changes-input", f"Your function changed `{name}`, which belongs to its caller."
    )


def _same_shape(found, expected):
    if found.shape != expected.shape:
        reject("shape", f"The answer has the shape {found.shape}; expected {expected.shape}.")


def _first_difference(found, expected):
    return tuple(int(i) for i in np.argwhere(~np.isclose(found, expected))[0])
