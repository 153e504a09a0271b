"""
Facts from outside, in real time.

    context        what is asked for and what is found; the protocol of every source
    live_data      what all sources share: one request, its errors, its freshness
    sportradar, api_football, newsapi     where facts come from
    live_context   asks for them with a grant, or answers from what is fresh enough
    tools          offers them to a model
    live_adapters  those that a process has, and which of them a twin can use
"""
