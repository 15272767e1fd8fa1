"""The stages of the chain: plain generator functions from values, settings and a model to a product.

A stage knows neither the app, nor the zoo, nor the cache. Each file holds the Protocol its models follow; `identity` of a
model names its weights and version and is part of the cache key, so it must be known without loading anything.
"""
