"""A published network, converted to int8, on photos: the page answers as Python does, bit for bit."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.android_demo.altered_assets import AlteredAssets
from tests.android_demo.phone import Origin, Phone
from tfcompress.demo.export import export_demo
from tfcompress.demo.preprocessing import model_input

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_CIFAR_10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.mark.slow
def test_resnet8_of_mlperf_tiny(
    browser: "Browser", assets: Path, classes: Path, shared_data: Path, tmp_path: Path
) -> None:
    import tfcompress as tfc

    with np.load(shared_data / "signs" / "signs48.npz") as archive:  # 48 x 48; the network takes 32 x 32, 0 to 255
        photos = archive["x"][::40]
    inputs = np.stack([model_input(photo, (32, 32, 3), [0.0] * 3, [1.0] * 3) for photo in photos])
    path = tmp_path / "resnet8.tflite"
    tfc.convert(shared_data / "mlperf_tiny" / "ic" / "pretrainedResnet.h5", path, mode="int8", representative=inputs)
    # Hands are no class of it, so what it takes them for is not to be right or wrong.
    demo = export_demo(
        [path], tmp_path / "demo", images=(photos, np.zeros(len(photos), int)), labels=_CIFAR_10, mean=0, std=1
    )
    (model,) = demo.models
    assert (model.golden.tolerance, model.output["scores"]) == (0.0, "probabilities")
    altered = AlteredAssets(assets, tmp_path / "altered")
    altered.replace_demo(tmp_path / "demo")
    with Origin(classes, altered.assets, tmp_path / "storage") as origin, Phone(browser, origin) as phone:
        for at in range(len(demo.images)):
            phone.choose_image(at)
            assert phone.outputs(model.id, f"image {at}").tolist() == model.golden.outputs[at]
        assert "bit for bit on 20 images" in phone.press("check", "checked")
        assert set(phone.answers.values()) == {200}
    assert len(json.loads(altered.demo_file.read_text())["images"]) == 20
