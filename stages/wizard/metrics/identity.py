"""Whether a face is still the same person's: likeness of face embeddings before and after.

Embeddings by SFace (Zhong et al. 2021, "SFace: sigmoid-constrained hypersphere loss for robust
face recognition"), faces found by YuNet (Wu et al. 2023, "YuNet: a tiny millisecond-level face
detector"), as OpenCV's model zoo publishes them (Apache-2.0 and MIT) and run by OpenCV.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from wizard.metrics import checkpoints, networks

DETECTOR = checkpoints.Checkpoint(
    "face_detection_yunet_2023mar.onnx",
    "https://huggingface.co/opencv/face_detection_yunet/resolve/3cc26e7f1014a5ee5d74a42acee58bafc9d0a310/face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
EMBEDDER = checkpoints.Checkpoint(
    "face_recognition_sface_2021dec.onnx",
    "https://huggingface.co/opencv/face_recognition_sface/resolve/3d7082438a6e4551e840c9b2bb60b71e8da4b524/face_recognition_sface_2021dec.onnx",
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
)
# The detector's own input, and the side above which faces get larger than those it was trained on.
CANVAS, LARGEST = 640, 320


def score(
    originals: Iterable[np.ndarray], results: Iterable[np.ndarray], setup: networks.Setup
) -> list[float | None]:
    """Cosine of the face embeddings of each pair of uint8 H×W×3 pictures, −1 to 1, 1 is best.

    OpenCV takes 0.363 and more for one person. The largest face of the original is found, and the
    result is looked at in the same place: a face that the fill destroyed counts as unlike instead
    of being left out. None where the original shows no face. Raises Unusable when the weights
    cannot be had.
    """
    # OpenCV 5 warns of its own default at every network that it loads.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    detector = cv2.FaceDetectorYN.create(*_onnx(DETECTOR), (CANVAS, CANVAS))
    embedder = cv2.FaceRecognizerSF.create(*_onnx(EMBEDDER))
    values: list[float | None] = []
    for original, result in zip(originals, results, strict=True):
        face = find(detector, original)
        if face is None:
            values.append(None)
            continue
        crops = (
            embedder.alignCrop(np.ascontiguousarray(picture[..., ::-1]), face)
            for picture in (original, result)
        )
        # OpenCV returns a view of a buffer that the next call overwrites.
        true, made = (embedder.feature(crop).copy() for crop in crops)
        values.append(embedder.match(true, made, cv2.FaceRecognizerSF_FR_COSINE))
    return values


def find(detector: cv2.FaceDetectorYN, picture: np.ndarray) -> np.ndarray | None:
    """Box, five landmarks and score (float32, 15) of the largest face of a uint8 H×W×3 picture."""
    scale = min(1, LARGEST / max(picture.shape[:2]))
    small = cv2.resize(picture[..., ::-1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((CANVAS, CANVAS, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    _, faces = detector.detect(canvas)
    if faces is None:
        return None
    face = max(faces, key=lambda one: one[2] * one[3])
    face[:14] /= scale
    return face


def _onnx(checkpoint: checkpoints.Checkpoint) -> tuple[str, np.ndarray, np.ndarray]:
    return "onnx", np.frombuffer(checkpoints.read(checkpoint), np.uint8), np.zeros(0, np.uint8)
