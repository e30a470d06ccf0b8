"""The CPU engine: a product photo, or a title and selling points, in gentle motion.

Import ``model.storyboard.spec`` for what a planner needs and ``model.storyboard.engine`` for the engine itself: this
package file loads neither, so that the first stays free of imaging libraries.
"""
