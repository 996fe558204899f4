"""RetainWise, the demo application: customers upload CSV files, a worker predicts who will leave."""
