"""
What the two twins know on a first start: documents for the way that every source goes.

    cantor/      the history of a football league that does not exist, and a little of one that does
    fernandez/   frameworks, checklists and cases of a consultant
    catalogue    each with its title, form, language and licence

All were written for this project; clubs, players, companies and their numbers are invented, except
where a document speaks of World Cups or of the EU's law. Licence: CC0 1.0. Some are alike on
purpose (two rule books, two derbies, a father and a son), as the documents of real people are.
`services/bench/knowledge_questions.py` asks about them.
"""
