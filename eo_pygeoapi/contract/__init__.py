"""The contract of a job: its inputs, outputs, intervals and periods, and the schemas made from them."""
