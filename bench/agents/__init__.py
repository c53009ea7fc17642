"""What a run costs that is recorded, beside the model's SDK called bare."""
