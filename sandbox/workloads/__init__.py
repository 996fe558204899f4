"""RetainWise, the demo application: customers upload CSV files, a worker predicts who leaves. And hello."""
