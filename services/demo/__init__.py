"""
Demo: an hour of real traffic, replayed against both twins through the bus.

    trace      the recorded arrivals and sizes
    schedule   which twin's turn is due when: arrival times scaled, goals added
    turns      what a turn asks of which vendor, and what it really consumes
    traffic    sends turns when they are due, whatever became of the ones before
    tally      counts what was answered
    screen     shows it while it happens, and sums up
"""
