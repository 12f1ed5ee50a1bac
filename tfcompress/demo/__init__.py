"""The folder that a demo app reads: models, images and golden outputs, as docs/demo_contract.md says."""
