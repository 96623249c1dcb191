"""Examples -> token rows -> batches -> hidden states and logits."""
