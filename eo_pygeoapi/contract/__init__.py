"""What a job takes and what it gives: inputs, outputs, intervals, periods, and the schemas made from them."""
